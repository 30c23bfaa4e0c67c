"""The component `clean`."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Output

from components.image_names import DATA_IMAGE


@dsl.component(base_image=DATA_IMAGE, install_kfp_package=False)
def clean(
    listings: Input[Dataset],
    findings: Input[list[Dataset]],
    params: dict[str, object],
    revision: str,
    catalogue: Output[Dataset],
    report: Output[HTML],
) -> None:
    """Reject the images that are not fit to learn from, and say why.

    Args:
        listings: A catalogue from `merge`.
        findings: What `examine` saw in each part of it.
        params: The section `clean` of params.yaml.
        revision: The facetry that runs; part of the cache key.
        catalogue: The same listings, each rejected image with its reason.
        report: What was rejected, as a page.
    """
    from pathlib import Path
    from shutil import copyfile
    from time import perf_counter

    from facetry import cleaning
    from facetry.catalogue import Catalogue
    from facetry.config import parse_params

    started = perf_counter()
    section = parse_params({"clean": params}, origin="the pipeline's arguments").clean
    examined = [part.path for part in findings]
    summary = cleaning.clean(Catalogue.open(listings.path), findings=examined, params=section, out=catalogue.path)
    copyfile(Path(catalogue.path) / "report" / "report.html", report.path)
    seconds = perf_counter() - started + sum(part.metadata["seconds"] for part in findings)
    catalogue.metadata.update(summary=summary.one_line(), seconds=seconds)
    print(summary.one_line(), flush=True)
