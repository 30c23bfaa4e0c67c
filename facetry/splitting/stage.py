"""The stage `split`: find a side for each whole group, write the sides, and prove that nothing leaks."""

import dataclasses
from pathlib import Path

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.config import SplitParams
from facetry.errors import CatalogueError
from facetry.listing import Split
from facetry.splitting.assignment import assign_sides
from facetry.splitting.groups import can_be_asked, collect_groups, group_name
from facetry.splitting.proof import refuse_leaks
from facetry.splitting.summary import Move, SplitSummary, summarise

SUMMARY_NAME = "split.json"


def split(catalogue: Catalogue, *, params: SplitParams, out: str | Path) -> SplitSummary:
    """Write the catalogue again with a side for each listing that has a label and content.

    A `CatalogueError` when the catalogue was not cleaned, when there are fewer groups than sides, or when what was
    written has a group, or a cluster of near-duplicates, on two of them.
    """
    if catalogue.manifest.stage == "ingest":
        raise CatalogueError(
            f"{catalogue.location} was never cleaned, so its duplicates are not known: run `facetry clean` on it first"
        )
    earlier_sides = _earlier_sides(params.keep) if params.keep is not None else {}
    grouping = collect_groups(catalogue, group_by=params.group_by, earlier_sides=earlier_sides)
    if not grouping.groups:
        raise CatalogueError(
            f"no listing of {catalogue.location} has a label and content: nothing can be learnt from it"
        )
    sides = assign_sides(grouping.groups, ratios=params.ratios, seed=params.seed)
    moves: list[Move] = []
    with storage.new_folder(out, commit=MANIFEST_NAME) as folder:
        with CatalogueWriter(
            folder, stage="split", params=params, taxonomy_yaml=catalogue.taxonomy_yaml, parent=catalogue
        ) as writer:
            for listing in catalogue.listings():
                name = group_name(listing, group_by=params.group_by)
                side = sides[grouping.by_name[name].name] if can_be_asked(listing) else None
                writer.add(dataclasses.replace(listing, split=side))
                earlier = earlier_sides.get(listing.id, side)
                if earlier is not None and side is not None and earlier is not side:
                    moves.append(Move(listing.id, earlier=earlier, now=side))
        refuse_leaks(Catalogue.open(folder), group_by=params.group_by)
        summary = summarise(grouping, sides=sides, ratios=params.ratios, moves=moves)
        storage.write_atomically(folder / SUMMARY_NAME, summary.as_json())
    return summary


def _earlier_sides(location: str) -> dict[str, Split]:
    """The side of each listing in an earlier catalogue of `split`, by id."""
    sides: dict[str, Split] = {}
    try:
        for batch in Catalogue.open(location).columns(["id", "split"]):
            sides.update((row["id"], Split(row["split"])) for row in batch.to_pylist() if row["split"] is not None)
    except CatalogueError as error:
        raise CatalogueError(f"split.keep: {error}") from error
    if not sides:
        raise CatalogueError(f"split.keep: no listing of {location} has a side: name a catalogue that split wrote")
    return sides
