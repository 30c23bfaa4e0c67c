"""The component `examine`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from components.image_names import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def examine(
    listings: Input[Dataset],
    params: dict[str, object],
    revision: str,
    findings: Output[Dataset],
) -> None:
    """Look at every image of one part of the listings.

    Args:
        listings: A catalogue from `ingest`.
        params: The section `clean` of params.yaml.
        revision: The facetry that runs; part of the cache key.
        findings: How each image looks, for `clean`.
    """
    from time import perf_counter

    from facetry import cleaning
    from facetry.catalogue import Catalogue
    from facetry.config import parse_params

    started = perf_counter()
    section = parse_params({"clean": params}, origin="the pipeline's arguments").clean
    summary = cleaning.examine(Catalogue.open(listings.path, allow_empty=True), params=section, out=findings.path)
    findings.metadata.update(summary=summary.one_line(), seconds=perf_counter() - started)
    print(summary.one_line(), flush=True)
