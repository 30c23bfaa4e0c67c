from pathlib import Path

import pytest

from tests.tiny_clip import DUAL_MODEL_TYPES, write_tiny_clip
from tests.unit.contrastive.shop import TEXTS


@pytest.fixture(scope="session", params=DUAL_MODEL_TYPES)
def model_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of each family, one after the other."""
    folder = tmp_path_factory.mktemp("models") / str(request.param)
    write_tiny_clip(folder, request.param, texts=TEXTS)
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "clip"
    write_tiny_clip(folder, "clip", texts=TEXTS)
    return folder
