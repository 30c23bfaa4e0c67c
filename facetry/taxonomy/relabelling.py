"""A catalogue under another taxonomy: its labels and candidates mapped, and whatever fits no more counted."""

import json
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.listing import Label, Listing
from facetry.taxonomy.faults import Faults
from facetry.taxonomy.labels import UnknownLabel, refuse_unknown, unknown_labels
from facetry.taxonomy.tree import Category, Taxonomy
from facetry.taxonomy.yaml_writer import as_yaml

SUMMARY_NAME = "relabel.json"
MEND = "add it to the mapping, or give --drop-unknown"


@dataclass(frozen=True, slots=True)
class RelabelSummary:
    """Every listing keeps its label as it was, has a mapped one, lost it, or never had one."""

    num_listings: int
    num_kept: int
    num_mapped: int
    num_dropped: int
    num_unlabelled: int
    num_candidates_dropped: int
    attributes_dropped: Mapping[str, int]
    unknown: tuple[UnknownLabel, ...]

    def one_line(self) -> str:
        labels = f"{self.num_mapped} labels mapped, {self.num_kept} kept, {self.num_dropped} dropped"
        without = f", {self.num_unlabelled} listings had none" if self.num_unlabelled else ""
        names = ", ".join(f"{name} {count}" for name, count in self.attributes_dropped.items())
        attributes = f"; attributes dropped: {names}" if names else ""
        candidates = f"; {self.num_candidates_dropped} candidates dropped" if self.num_candidates_dropped else ""
        return f"relabelled {self.num_listings} listings: {labels}{without}{attributes}{candidates}"


def relabel(
    catalogue: Catalogue,
    *,
    taxonomy: Taxonomy,
    mapping: Mapping[str, str],
    drop_unknown: bool = False,
    out: str | Path,
) -> RelabelSummary:
    """Write the catalogue again under `taxonomy`, its labels mapped; a label that is not in `mapping` stays.

    A `TaxonomyError` names the paths in `mapping` that there are none of, and the labels that are no leaf of
    `taxonomy` after it, unless `drop_unknown` lets their listings go on without a label. Attributes that the new
    category does not allow are left out of a label.
    """
    counts = _label_counts(catalogue)
    _refuse_idle(mapping, labels=counts, catalogue=catalogue)
    unknown = unknown_labels(_mapped_counts(counts, mapping), taxonomy=taxonomy)
    if not drop_unknown:
        refuse_unknown(unknown, taxonomy=taxonomy, origin=catalogue.location, mend=MEND)
    desk = _Desk(taxonomy=taxonomy, mapping=mapping, unknown=frozenset(label.path for label in unknown))
    with storage.new_folder(out, commit=MANIFEST_NAME) as folder:
        with CatalogueWriter(
            folder,
            stage=catalogue.manifest.stage,  # so that what the listings have been through stays known
            params=_ParamsOfRelabelled.model_validate({**catalogue.manifest.params, "relabelled": True}),
            taxonomy_yaml=as_yaml(taxonomy),
            parent=catalogue,
        ) as writer:
            for listing in catalogue.listings():
                writer.add(desk.relabelled(listing))
        summary = desk.summary(unknown)
        storage.write_atomically(folder / SUMMARY_NAME, (json.dumps(asdict(summary), indent=2) + "\n").encode())
    return summary


class _ParamsOfRelabelled(BaseModel):
    """The params of the stage that wrote the catalogue, and that it was relabelled since."""

    model_config = ConfigDict(extra="allow")

    relabelled: bool


class _Desk:
    """Relabels one listing after the other, and counts what became of each."""

    def __init__(self, *, taxonomy: Taxonomy, mapping: Mapping[str, str], unknown: frozenset[str]) -> None:
        self._taxonomy = taxonomy
        self._mapping = mapping
        self._unknown = unknown
        self._counts: Counter[str] = Counter()
        self._attributes_dropped: Counter[str] = Counter()

    def relabelled(self, listing: Listing) -> Listing:
        candidates = tuple(dict.fromkeys(self._mapping.get(path, path) for path in listing.candidates))
        known = tuple(path for path in candidates if path in self._taxonomy.by_path)
        self._counts["candidates_dropped"] += len(candidates) - len(known)
        self._counts["listings"] += 1
        return replace(listing, label=self._label(listing.label), candidates=known)

    def summary(self, unknown: tuple[UnknownLabel, ...]) -> RelabelSummary:
        return RelabelSummary(
            num_listings=self._counts["listings"],
            num_kept=self._counts["kept"],
            num_mapped=self._counts["mapped"],
            num_dropped=self._counts["dropped"],
            num_unlabelled=self._counts["unlabelled"],
            num_candidates_dropped=self._counts["candidates_dropped"],
            attributes_dropped=dict(sorted(self._attributes_dropped.items())),
            unknown=unknown,
        )

    def _label(self, label: Label | None) -> Label | None:
        if label is None:
            self._counts["unlabelled"] += 1
            return None
        path = self._mapping.get(label.category, label.category)
        if path in self._unknown:
            self._counts["dropped"] += 1
            return None
        self._counts["kept" if path == label.category else "mapped"] += 1
        category = self._taxonomy.category(path)
        attributes = {name: value for name, value in label.attributes.items() if _allows(category, name, value)}
        self._attributes_dropped.update(label.attributes.keys() - attributes.keys())
        return replace(label, category=path, attributes=attributes)


def _allows(category: Category, name: str, value: str) -> bool:
    """Whether a label may say so; of answers that are not one of a list, only that there is such an attribute."""
    return any(
        attribute.name == name and (not attribute.is_choice or value in attribute.values)
        for attribute in category.attributes
    )


def _refuse_idle(mapping: Mapping[str, str], *, labels: Container[str], catalogue: Catalogue) -> None:
    """Raise a `TaxonomyError` when `mapping` is about paths that there are none of: they are misspelt."""
    faults = Faults(catalogue.location, what="mapping for")
    for path in mapping:
        if path not in labels:
            problem = catalogue.taxonomy.why_no_category(path)
            if problem is not None:
                faults.add(None, problem)
    faults.refuse()


def _label_counts(catalogue: Catalogue) -> Counter[str]:
    counts: Counter[str] = Counter()
    for batch in catalogue.columns(["category"]):
        counts.update(path for path in batch["category"].to_pylist() if path is not None)
    return counts


def _mapped_counts(counts: Mapping[str, int], mapping: Mapping[str, str]) -> Counter[str]:
    mapped: Counter[str] = Counter()
    for path, num_listings in counts.items():
        mapped[mapping.get(path, path)] += num_listings
    return mapped
