"""The component `release`."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output

from components.image_names import TRAIN_IMAGE


@dsl.component(base_image=TRAIN_IMAGE, install_kfp_package=False)
def release(
    checkpoint: Input[Model],
    report: Input[Artifact],
    params: dict[str, object],
    serve: dict[str, object],
    revision: str,
    bundle: Output[Model],
) -> None:
    """Make a release of the checkpoint: what Triton loads, and what proves that it answers as it was trained to.

    Args:
        checkpoint: A model from `train`.
        report: A report from `evaluate`.
        params: The section `release` of params.yaml.
        serve: The section `serve` of params.yaml.
        revision: The facetry that runs; part of the cache key.
        bundle: The release.
    """
    from pathlib import Path
    from time import perf_counter

    from facetry import release as releasing
    from facetry.config import parse_params

    started = perf_counter()
    sections = parse_params({"release": params, "serve": serve}, origin="the pipeline's arguments")
    model, scores, out = Path(checkpoint.path), Path(report.path), Path(bundle.path)
    summary = releasing.release(model, report=scores, params=sections.release, serve=sections.serve, out=out)
    bundle.metadata.update(summary=summary.one_line(), seconds=perf_counter() - started)
    print(summary.one_line(), flush=True)
