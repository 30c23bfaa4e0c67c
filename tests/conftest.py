"""What many tests share: one tiny run, from drawing to release, and one S3 store."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from facetry.catalogue import Catalogue
from facetry.config import Params, load_params
from facetry.listing import Split
from tests.services.ceph import Store, missing_programs, running_store

TINY: Mapping[str, Mapping[str, object]] = {
    "draw": {"num_listings": 120, "num_brands": 12, "max_images_per_listing": 2, "corrupt_share": 0.03},
    "split": {"ratios": {"train": 0.6, "validation": 0.2, "test": 0.2}},
    "train": {"epochs": 1, "batch_size": 8, "checkpoint_steps": 4, "num_golden_listings": 4},
    "evaluate": {"batch_size": 8, "num_mistakes_shown": 2},
    "release": {"name": "tiny-shop"},
}


@dataclass(frozen=True)
class TinyRun:
    """The folders that the stages wrote."""

    params: Params
    drawn: Path
    split: Path
    checkpoint: Path
    report: Path
    release: Path


@pytest.fixture(scope="session")
def tiny_params(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The params.yaml of a run that takes seconds and learns little."""
    path = tmp_path_factory.mktemp("tiny") / "params.yaml"
    path.write_text(yaml.safe_dump(dict(TINY)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny_params: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    from facetry.cleaning import clean
    from facetry.evaluation import evaluate
    from facetry.ingest import ingest
    from facetry.release import release
    from facetry.splitting import split
    from facetry.synthetic import draw
    from facetry.training import train

    folder = tmp_path_factory.mktemp("run")
    drawn = folder / "drawn"
    params = load_params(tiny_params, [f"train.base_model={drawn / 'base-model'}"])
    draw(drawn, params=params.draw)
    ingest(str(drawn), params=params.ingest, out=folder / "catalogue")
    clean(Catalogue.open(folder / "catalogue"), params=params.clean, out=folder / "clean")
    split(Catalogue.open(folder / "clean"), params=params.split, out=folder / "split")
    catalogue = Catalogue.open(folder / "split")
    checkpoint, report = folder / "checkpoint", folder / "report"
    train(catalogue, params=params.train, out=checkpoint)
    evaluate(checkpoint, catalogue=catalogue, split=Split.TEST, params=params.evaluate, out=report)
    release(checkpoint, report=report, params=params.release, serve=params.serve, out=folder / "release")
    return TinyRun(
        params=params,
        drawn=drawn,
        split=folder / "split",
        checkpoint=checkpoint,
        report=report,
        release=folder / "release",
    )


@pytest.fixture(scope="session")
def tiny_release(tiny_run: TinyRun) -> Path:
    return tiny_run.release


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A real S3 store, for as long as the tests run."""
    if missing := missing_programs():
        pytest.skip(f"no Ceph here ({missing[0]} is missing): run tests/services/install.sh")
    with running_store(tmp_path_factory.mktemp("ceph")) as store:
        yield store
