"""The component `ingest`."""

from kfp import dsl
from kfp.dsl import Dataset, Output

from components.image_names import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def ingest(
    source: str,
    source_version: str,
    part: str,
    params: dict[str, object],
    revision: str,
    catalogue: Output[Dataset],
) -> None:
    """Read one part of a source of listings into a catalogue.

    Args:
        source: Where the listings are: a table, or a folder that holds one.
        source_version: Changes when the source's content does; part of the cache key.
        part: Which part of the source, as 1/4.
        params: The section `ingest` of params.yaml.
        revision: The facetry that runs; part of the cache key.
        catalogue: The listings of this part.
    """
    from time import perf_counter

    from facetry import ingest as ingestion
    from facetry.config import parse_params
    from facetry.parts import Part

    started = perf_counter()
    section = parse_params({"ingest": params}, origin="the pipeline's arguments").ingest
    summary = ingestion.ingest(source, params=section, out=catalogue.path, part=Part.parse(part))
    catalogue.metadata.update(summary=summary.one_line(), seconds=perf_counter() - started)
    print(summary.one_line(), flush=True)
