"""The report and the answers as JSON, for what comes after."""

import dataclasses
import json
from collections.abc import Mapping, Sequence

from facetry.config import EvaluateParams
from facetry.evaluation.baselines import Baselines
from facetry.evaluation.case import Case
from facetry.evaluation.metrics import Scores
from facetry.evaluation.report import Origin


def as_json(
    *,
    metrics: Mapping[str, float],
    scores: Scores,
    baselines: Baselines | None,
    origin: Origin,
    params: EvaluateParams,
    seconds: float,
) -> bytes:
    """`report.json`: single numbers by name under `metrics`, everything that was counted under `scores`."""
    report = {
        "metrics": dict(metrics),
        "baselines": _tree(baselines),
        "origin": _tree(origin),
        "params": params.model_dump(mode="json"),
        "seconds": round(seconds, 1),
        "scores": _tree(scores),
    }
    return (json.dumps(report, indent=2) + "\n").encode()


def as_json_lines(cases: Sequence[Case]) -> bytes:
    """`answers.jsonl`: a line for each listing that was asked about."""
    return "".join(json.dumps(_line(case)) + "\n" for case in cases).encode()


def _line(case: Case) -> dict[str, object]:
    answer = case.answer
    return {
        "id": case.id,
        "truth": case.label.category,
        "label_source": case.label.source,
        "answer": answer.category if answer else None,
        "probability": answer.probability if answer else None,
        "is_right": case.is_right,
        "true_attributes": dict(case.label.attributes),
        "attributes": dict(answer.attributes) if answer else {},
        "attribute_probabilities": dict(answer.attribute_probabilities) if answer else {},
        "error": case.error,
    }


def _tree(value: object) -> object:
    """A dataclass as a mapping of its fields and properties, all the way down."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        names += [name for name, member in vars(type(value)).items() if isinstance(member, property)]
        return {name: _tree(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [_tree(part) for part in value]
    return value
