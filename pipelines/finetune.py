"""The pipeline `finetune`: from a source of listings to a release."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Model

import components
from facetry.config import Params
from pipelines.resources import allot

STAGES = ("ingest", "clean", "split", "train", "evaluate", "release")


def section_arguments(params: Params) -> dict[str, dict[str, object]]:
    """The sections as arguments of the pipeline: Kubeflow has no null, so what is absent is left out."""
    return params.model_dump(mode="json", exclude_none=True, exclude={"draw"})


DEFAULTS = section_arguments(Params())


class StageOutputs(NamedTuple):
    """What each stage made, named after the stage."""

    ingest: Dataset
    clean: Dataset
    split: Dataset
    train: Model
    evaluate: Artifact
    release: Model


@dsl.pipeline(name="finetune")
def finetune(
    source: str,
    source_version: str,
    base_model: str,
    revision: str,
    ingest: dict[str, object] = DEFAULTS["ingest"],
    clean: dict[str, object] = DEFAULTS["clean"],
    split: dict[str, object] = DEFAULTS["split"],
    train: dict[str, object] = DEFAULTS["train"],
    evaluate: dict[str, object] = DEFAULTS["evaluate"],
    release: dict[str, object] = DEFAULTS["release"],
    serve: dict[str, object] = DEFAULTS["serve"],
) -> StageOutputs:
    """Fine-tune a vision-language model on a source of listings and make a release of it.

    Args:
        source: Where the listings are: a table, or a folder that holds one.
        source_version: Changes when the source's content does; part of the cache key.
        base_model: A model folder or the name of one on a hub; takes the place of `train.base_model`.
        revision: The facetry that runs; part of the cache key.
        ingest: The section `ingest` of params.yaml.
        clean: The section `clean` of params.yaml.
        split: The section `split` of params.yaml.
        train: The section `train` of params.yaml.
        evaluate: The section `evaluate` of params.yaml.
        release: The section `release` of params.yaml.
        serve: The section `serve` of params.yaml.
    """
    ingested = components.ingest(source=source, source_version=source_version, params=ingest, revision=revision)
    cleaned = components.clean(listings=ingested.outputs["catalogue"], params=clean, revision=revision)
    divided = components.split(cleaned=cleaned.outputs["catalogue"], params=split, revision=revision)
    catalogue = divided.outputs["catalogue"]
    trained = components.train(catalogue=catalogue, base_model=base_model, params=train, revision=revision)
    checkpoint = trained.outputs["checkpoint"]
    evaluated = components.evaluate(checkpoint=checkpoint, catalogue=catalogue, params=evaluate, revision=revision)
    report = evaluated.outputs["report"]
    released = components.release(checkpoint=checkpoint, report=report, params=release, serve=serve, revision=revision)
    tasks = (ingested, cleaned, divided, trained, evaluated, released)
    for stage, task in zip(STAGES, tasks, strict=True):
        allot(task, stage=stage)
    return StageOutputs(
        ingested.outputs["catalogue"],
        cleaned.outputs["catalogue"],
        catalogue,
        checkpoint,
        report,
        released.outputs["bundle"],
    )
