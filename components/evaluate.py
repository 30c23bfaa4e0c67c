"""The component `evaluate`."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output

from components.image_names import TRAIN_IMAGE


@dsl.component(base_image=TRAIN_IMAGE, install_kfp_package=False)
def evaluate(
    checkpoint: Input[Model],
    catalogue: Input[Dataset],
    params: dict[str, object],
    revision: str,
    report: Output[Artifact],
    page: Output[HTML],
) -> None:
    """Answer the held-out listings and score the answers.

    Args:
        checkpoint: A model from `train`.
        catalogue: A catalogue from `version`.
        params: The section `evaluate` of params.yaml.
        revision: The facetry that runs; part of the cache key.
        report: The scores and every answer.
        page: The report as a page.
    """
    from pathlib import Path
    from shutil import copyfile
    from time import perf_counter

    from facetry import evaluation
    from facetry.catalogue import Catalogue
    from facetry.config import parse_params
    from facetry.listing import Split

    started = perf_counter()
    section = parse_params({"evaluate": params}, origin="the pipeline's arguments").evaluate
    held_out = Catalogue.open(catalogue.path)
    model, out = Path(checkpoint.path), Path(report.path)
    summary = evaluation.evaluate(model, catalogue=held_out, split=Split.TEST, params=section, out=out)
    copyfile(out / "report.html", page.path)
    report.metadata.update(summary=summary.one_line(), seconds=perf_counter() - started)
    print(summary.one_line(), flush=True)
