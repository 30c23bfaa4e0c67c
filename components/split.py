"""The component `split`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from components.image_names import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def split(
    cleaned: Input[Dataset],
    params: dict[str, object],
    revision: str,
    catalogue: Output[Dataset],
) -> None:
    """Say of every listing whether it is learnt from, validated on, or held out.

    Args:
        cleaned: A catalogue from `clean`.
        params: The section `split` of params.yaml.
        revision: The facetry that runs; part of the cache key.
        catalogue: The same listings, each with its split.
    """
    from time import perf_counter

    from facetry import splitting
    from facetry.catalogue import Catalogue
    from facetry.config import parse_params

    started = perf_counter()
    section = parse_params({"split": params}, origin="the pipeline's arguments").split
    summary = splitting.split(Catalogue.open(cleaned.path), params=section, out=catalogue.path)
    catalogue.metadata.update(summary=summary.one_line(), seconds=perf_counter() - started)
    print(summary.one_line(), flush=True)
