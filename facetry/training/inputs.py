"""What is looked at before any process is started."""

import importlib.util
from collections import Counter
from pathlib import Path

from facetry.catalogue import Catalogue
from facetry.config import TrackingParams, TrainParams
from facetry.errors import TrainingError
from facetry.listing import Split
from facetry.taxonomy import refuse_unknown, unknown_labels


def check_inputs(catalogue: Catalogue, *, params: TrainParams) -> None:
    """Raise a `TrainingError`, or a `TaxonomyError`, when `catalogue` cannot be learnt from as `params` say."""
    labels_by_side: dict[str | None, Counter[str]] = {}
    for batch in catalogue.columns(["split", "category"]):
        for row in batch.to_pylist():
            labels_by_side.setdefault(row["split"], Counter()).update(filter(None, [row["category"]]))
    for split in (Split.TRAIN, Split.VALIDATION):
        if split.value not in labels_by_side:
            raise TrainingError(f"catalogue {catalogue.location} has no listing in split '{split}': split it first")
        unknown = unknown_labels(labels_by_side[split.value], taxonomy=catalogue.taxonomy)
        mend = "relabel it with `facetry taxonomy relabel`"
        refuse_unknown(unknown, taxonomy=catalogue.taxonomy, origin=f"'{split}' in {catalogue.location}", mend=mend)
    is_hub_name = params.base_model.count("/") == 1 and not params.base_model.startswith((".", "/"))
    if not Path(params.base_model).is_dir() and not is_hub_name:
        raise TrainingError(f"train.base_model: no model folder at {params.base_model}, nor is it a hub name like a/b")
    for run in params.runs():
        check_tracking(run.tracking)


def check_tracking(params: TrackingParams) -> None:
    """Raise a `TrainingError` when what curves are to be sent with is not installed."""
    for name, package, is_asked in (
        ("mlflow", "mlflow-skinny", params.mlflow is not None),
        ("wandb", "wandb", params.wandb is not None),
    ):
        if is_asked and importlib.util.find_spec(name) is None:
            raise TrainingError(
                f"train.tracking.{name} needs {package}, which is not installed: run `pip install {package}`, "
                f"or set train.tracking.{name} to null"
            )
