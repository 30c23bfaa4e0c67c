"""A drawn shop to run pipelines on."""

from pathlib import Path

import pytest

from facetry.config import load_params


@pytest.fixture(scope="session")
def shop(tiny_params: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest shop that every stage can work on, with its base model."""
    from facetry.synthetic import draw

    folder = tmp_path_factory.mktemp("drawn") / "shop"
    draw(folder, params=load_params(tiny_params).draw)
    return folder
