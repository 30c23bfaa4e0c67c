"""The component `merge`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from components.image_names import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def merge(
    parts: Input[list[Dataset]],
    revision: str,
    catalogue: Output[Dataset],
) -> None:
    """Put the parts of a source together, as if it had been read in one go.

    Args:
        parts: The catalogues from `ingest`, in the order of the parts.
        revision: The facetry that runs; part of the cache key.
        catalogue: Every listing of the source.
    """
    from time import perf_counter

    from facetry import ingest as ingestion
    from facetry.catalogue import Catalogue

    started = perf_counter()
    opened = [Catalogue.open(part.path, allow_empty=True) for part in parts]
    summary = ingestion.merge(opened, out=catalogue.path)
    seconds = perf_counter() - started + sum(part.metadata["seconds"] for part in parts)
    catalogue.metadata.update(summary=summary.one_line(), seconds=seconds)
    print(summary.one_line(), flush=True)
