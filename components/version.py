"""The component `version`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from components.image_names import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def version(
    listings: Input[Dataset],
    params: dict[str, object],
    revision: str,
    catalogue: Output[Dataset],
) -> None:
    """Keep the catalogue as a version that can be pulled again, as `facetry data push` does.

    Args:
        listings: A catalogue from `split`.
        params: The section `version` of params.yaml.
        revision: The facetry that runs; part of the cache key.
        catalogue: The same listings, in the order in which the version has them.
    """
    from time import perf_counter

    from facetry import versioning
    from facetry.catalogue import Catalogue
    from facetry.config import parse_params

    started = perf_counter()
    section = parse_params({"version": params}, origin="the pipeline's arguments").version
    summary = versioning.push(Catalogue.open(listings.path), params=section, out=catalogue.path)
    catalogue.metadata.update(summary=summary.one_line(), seconds=perf_counter() - started)
    print(summary.one_line(), flush=True)
