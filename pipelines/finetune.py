"""The pipeline `finetune`: from a source of listings to a release."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Model

import components
from facetry.config import Params
from pipelines.resources import allot

STAGES = ("ingest", "clean", "split", "version", "train", "evaluate", "release")


def num_tasks(*, num_parts: int) -> int:
    """How many tasks a run has: two for each part, and eight for the whole."""
    return 2 * num_parts + 8


def section_arguments(params: Params) -> dict[str, dict[str, object]]:
    """The sections as arguments of the pipeline: Kubeflow has no null, so what is absent is left out."""
    return params.model_dump(mode="json", exclude_none=True, exclude={"draw"})


DEFAULTS = section_arguments(Params())


class StageOutputs(NamedTuple):
    """What each stage made, named after the stage; that of `ingest` is its parts merged."""

    ingest: Dataset
    clean: Dataset
    split: Dataset
    version: Dataset
    train: Model
    evaluate: Artifact
    release: Model


@dsl.pipeline(name="finetune")
def finetune(
    source: str,
    source_version: str,
    base_model: str,
    revision: str,
    num_parts: int = 1,
    ingest: dict[str, object] = DEFAULTS["ingest"],
    clean: dict[str, object] = DEFAULTS["clean"],
    split: dict[str, object] = DEFAULTS["split"],
    version: dict[str, object] = DEFAULTS["version"],
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
        num_parts: How many tasks read the source and look at its images side by side.
        ingest: The section `ingest` of params.yaml.
        clean: The section `clean` of params.yaml.
        split: The section `split` of params.yaml.
        version: The section `version` of params.yaml; on a cluster, with addresses that outlive the pod.
        train: The section `train` of params.yaml.
        evaluate: The section `evaluate` of params.yaml.
        release: The section `release` of params.yaml.
        serve: The section `serve` of params.yaml.
    """
    parts = allot(components.plan(num_parts=num_parts))
    with dsl.ParallelFor(parts.output, name="each-part") as part:
        read = allot(
            components.ingest(source=source, source_version=source_version, part=part, params=ingest, revision=revision)
        )
        examined = allot(components.examine(listings=read.outputs["catalogue"], params=clean, revision=revision))
    listings = dsl.Collected(read.outputs["catalogue"])
    findings = dsl.Collected(examined.outputs["findings"])
    whole = allot(components.merge(parts=listings, revision=revision)).outputs["catalogue"]
    cleaned = allot(components.clean(listings=whole, findings=findings, params=clean, revision=revision))
    fit = cleaned.outputs["catalogue"]
    divided = allot(components.split(cleaned=fit, params=split, revision=revision)).outputs["catalogue"]
    catalogue = allot(components.version(listings=divided, params=version, revision=revision)).outputs["catalogue"]
    trained = components.train(catalogue=catalogue, base_model=base_model, params=train, revision=revision)
    checkpoint = allot(trained).outputs["checkpoint"]
    evaluated = components.evaluate(checkpoint=checkpoint, catalogue=catalogue, params=evaluate, revision=revision)
    report = allot(evaluated).outputs["report"]
    released = components.release(checkpoint=checkpoint, report=report, params=release, serve=serve, revision=revision)
    bundle = allot(released).outputs["bundle"]
    return StageOutputs(whole, fit, divided, catalogue, checkpoint, report, bundle)
