"""The stage on real DeepSpeed with tiny models of both families."""

import json
from pathlib import Path

import pytest
from transformers import AutoModel

from facetry.catalogue import Catalogue
from facetry.config import ContrastiveParams, EvaluateParams, TrainParams
from facetry.decoding import Engine
from facetry.decoding.caption_engine import CaptionEngine
from facetry.errors import TrainingError
from facetry.evaluation import evaluate
from facetry.listing import Split
from facetry.training import preview, train
from tests.tiny_clip import write_tiny_clip
from tests.unit.contrastive.shop import TEXTS, pan, write_shop


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    listings = [
        *(pan(number) for number in range(24)),
        *(pan(number, split=side) for side in (Split.VALIDATION, Split.TEST) for number in range(12)),
    ]
    return write_shop(tmp_path_factory.mktemp("catalogue") / "shop", listings)


def params_for(model_folder: Path, **changes: object) -> TrainParams:
    settings = {
        "base_model": str(model_folder),
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "category_weight": 1,
        "num_golden_listings": 2,
        "contrastive": ContrastiveParams(learn=("colour", "lid"), objective="contrastive"),
    }
    return TrainParams.model_validate({**settings, **changes})


@pytest.mark.parametrize(("model_type", "zero_stage"), [("clip", 2), ("siglip", 3)])
def test_two_ranks_come_to_the_same_as_one_and_leave_an_ordinary_model_folder(
    catalogue: Catalogue, tmp_path: Path, model_type: str, zero_stage: int
) -> None:
    write_tiny_clip(tmp_path / "model", model_type, texts=TEXTS)
    losses = []
    for num_processes, stage in ((1, 1), (2, zero_stage)):
        params = params_for(tmp_path / "model", num_processes=num_processes, zero_stage=stage)
        result = train(catalogue, params=params, out=tmp_path / f"on-{num_processes}").result
        assert result is not None
        losses.append(result.validation_loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    checkpoint = tmp_path / "on-2"
    _, report = AutoModel.from_pretrained(checkpoint, output_loading_info=True)
    assert not any(report[problem] for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert {path.suffix for path in checkpoint.rglob("*")}.isdisjoint({".bin", ".pt", ".pkl"})
    assert isinstance(Engine.load(checkpoint), CaptionEngine)


def test_what_was_learnt_is_what_an_evaluation_measures(
    catalogue: Catalogue, clip_folder: Path, tmp_path: Path
) -> None:
    changes = {"epochs": 8, "learning_rate": 3e-3, "num_processes": 1, "balance": "lid", "metric": "answer_accuracy"}
    contrastive = ContrastiveParams(learn=("lid",), captions="sentence", objective="contrastive")
    params = params_for(clip_folder, contrastive=contrastive, **changes)
    result = train(catalogue, params=params, out=tmp_path / "checkpoint").result
    assert result is not None
    accuracies = {}
    for split in (Split.VALIDATION, Split.TEST):
        out = tmp_path / split
        summary = evaluate(tmp_path / "checkpoint", catalogue=catalogue, split=split, params=EvaluateParams(), out=out)
        report = json.loads((out / "report.json").read_bytes())
        assert summary.num_unanswered == 0
        accuracies[split] = {each["name"]: each["accuracy"] for each in report["scores"]["attributes"]}
    assert accuracies[Split.VALIDATION]["lid"] == pytest.approx(result.validation_answer_accuracy)
    assert accuracies[Split.TEST]["lid"] > 0.9
    assert accuracies[Split.TEST]["colour"] == 0


def test_clip_cannot_be_trained_with_zero_3(catalogue: Catalogue, clip_folder: Path) -> None:
    params = params_for(clip_folder, num_processes=1, zero_stage=3)
    with pytest.raises(TrainingError, match=r"train\.zero_stage: 3, but DeepSpeed trains a clip with 0, 1, 2 only"):
        preview(catalogue, params=params)
