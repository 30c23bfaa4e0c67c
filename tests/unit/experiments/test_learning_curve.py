import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from facetry.config import ContrastiveParams, Params, TrainParams
from facetry.errors import CatalogueError, ConfigError
from facetry.experiments.curve import FacetScore, LearningCurve, Point
from facetry.experiments.curve_figure import as_files, draw_curve
from facetry.experiments.learning_curve import CURVE_NAME, Subject, key_of, learning_curve, params_of
from facetry.listing import Label, LabelSource, Listing, Split
from facetry.storage import progress_folder
from tests.tiny_clip import write_tiny_clip
from tests.unit.contrastive.shop import TEXTS, pan, write_shop

SHOP = [
    *(pan(number) for number in range(12)),
    *(pan(number, split=side) for side in (Split.VALIDATION, Split.TEST) for number in range(6)),
]


def params_for(model: Path, **changes: object) -> Params:
    settings = {"base_model": str(model), "batch_size": 6, "epochs": 2, "num_processes": 1, "learning_rate": 1e-3}
    contrastive = ContrastiveParams(learn=("lid", "colour"))
    return Params(train=TrainParams.model_validate({**settings, "contrastive": contrastive, **changes}))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "clip"
    write_tiny_clip(folder, "clip", texts=TEXTS)
    return folder


def curve_of(accuracies: dict[int, list[float]]) -> LearningCurve:
    points = [
        Point(
            key=f"{number}-{seed}",
            num_labels=number,
            seed=seed,
            scores={name: FacetScore(num_listings=9, accuracy=value, macro_f1=value / 2) for name in ("lid", "handle")},
        )
        for number, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    return LearningCurve(base_model="clip", commonest={"lid": 0.5, "handle": 0.6}, points=tuple(points))


def test_clip_is_measured_by_what_it_learns_and_other_models_by_the_category(model: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_vl"}', encoding="utf-8")
    clip, other = Subject.of(params_for(model).train), Subject.of(params_for(tmp_path).train)
    assert clip == Subject(("lid", "colour"), needs_image=True)
    assert other == Subject(("category",), needs_image=False)
    assert clip.values(pan(0)) == {"lid": "yes", "colour": "red"}
    assert clip.values(pan(0, has_image=False)) == {}
    assert other.values(pan(0, has_image=False)) == {"category": "Home > Pan"}
    assert clip.values(replace(pan(0), label=Label("Home > Pan", {"lid": "no"}))) == {"lid": "no"}


def test_every_number_of_labels_is_trained_for_as_many_steps(model: Path) -> None:
    params = params_for(model, epochs=4, batch_size=16)
    tasks = [params_of(params, num_labels=number, most=240, repeat=1).train for number in (5, 16, 60, 240)]
    assert [task.max_listings for task in tasks] == [5, 16, 60, 240]
    assert [task.epochs * -(-number // 16) for task, number in zip(tasks, (5, 16, 60, 240), strict=True)] == [60] * 4
    assert {task.seed for task in tasks} == {params.train.seed + 1}


def test_a_curve_is_told_by_mean_and_range_of_its_repeats() -> None:
    curve = curve_of({15: [0.5, 0.7], 60: [0.9, 1.0]})
    table = curve.as_table()
    assert [column.header for column in table.columns][:3] == ["labels", "lid: Accuracy", "lid: Macro F1"]
    assert list(table.columns[1].cells) == ["0.600 (0.500 to 0.700)", "0.950 (0.900 to 1.000)"]


def test_the_same_curve_is_drawn_as_the_same_bytes() -> None:
    first, second = (as_files(draw_curve(curve_of({15: [0.5, 0.7], 60: [0.9, 1.0]}))) for _ in range(2))
    assert first == second
    assert first["png"].startswith(b"\x89PNG")
    assert b"</svg>" in first["svg"]


def test_more_labels_than_there_are_is_refused_before_any_training(model: Path, tmp_path: Path) -> None:
    catalogue = write_shop(tmp_path / "shop", SHOP)
    with pytest.raises(ConfigError, match="--num-labels: 13, but only 12 listings to learn from tell lid, colour"):
        learning_curve(catalogue, params=params_for(model), num_labels=[6, 13], num_repeats=1, out=tmp_path / "out")


def test_a_test_split_that_tells_nothing_that_can_be_trusted_is_refused(model: Path, tmp_path: Path) -> None:
    catalogue = write_shop(tmp_path / "shop", [_doubted(listing) for listing in SHOP])
    with pytest.raises(CatalogueError, match="no listing in split 'test' whose label is audited or human and tells"):
        learning_curve(catalogue, params=params_for(model), num_labels=[6], num_repeats=1, out=tmp_path / "out")


def _doubted(listing: Listing) -> Listing:
    assert listing.label is not None
    return replace(listing, label=replace(listing.label, source=LabelSource.UNAUDITED))


def test_what_was_measured_is_not_measured_again(model: Path, tmp_path: Path) -> None:
    catalogue, params = write_shop(tmp_path / "shop", SHOP), params_for(model)
    progress = progress_folder(tmp_path / "out")
    for number in (6, 12):
        task = params_of(params, num_labels=number, most=12, repeat=0)
        scores = {name: FacetScore(num_listings=6, accuracy=number / 12, macro_f1=0.5) for name in ("lid", "colour")}
        point = Point(key=key_of(catalogue, params=task), num_labels=number, seed=7, scores=scores)
        (progress / f"point-{number}.json").write_text(point.model_dump_json(), encoding="utf-8")
    for _ in range(2):  # what is known comes from the points first, and then from the curve that was written
        curve = learning_curve(catalogue, params=params, num_labels=[12, 6], num_repeats=1, out=tmp_path / "out")
        assert [point.scores["lid"].accuracy for point in curve.points] == [0.5, 1.0]
        assert not progress.exists()
    assert curve.commonest == {"lid": 0.5, "colour": pytest.approx(1 / 3)}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"curve.json", "curve.png", "curve.svg"}


@pytest.mark.integration
def test_a_killed_curve_goes_on_from_the_points_that_it_has(model: Path, tmp_path: Path) -> None:
    write_shop(tmp_path / "shop", SHOP)
    settings = params_for(model).model_dump(mode="json", include={"train"})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    out = tmp_path / "out"
    command = [
        *(sys.executable, "-m", "facetry", "learning-curve", str(tmp_path / "shop"), "--out", str(out)),
        *("--num-labels", "12,6", "--repeats", "1", "--params", str(tmp_path / "params.yaml")),
    ]
    killed = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob(".out.progress/point-*.json")):
        assert killed.poll() is None, "the curve was whole, or failed, before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not out.exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "6 labels, seed 7" not in again.stdout.splitlines()
    assert "12 labels, seed 7" in again.stdout.splitlines()
    curve = LearningCurve.model_validate_json((out / CURVE_NAME).read_bytes())
    assert curve.numbers == (6, 12)
    assert {score.num_listings for point in curve.points for score in point.scores.values()} == {6}
    assert {path.name for path in out.iterdir()} == {"curve.json", "curve.png", "curve.svg"}
    assert not (tmp_path / ".out.progress").exists()
