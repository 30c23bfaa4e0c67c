"""Which listings must stay together: those of one brand, and those that show the same picture."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from facetry.catalogue import Catalogue
from facetry.listing import TEXT_FIELDS, Label, Listing, ListingImage, Split

COLUMNS = ("id", *TEXT_FIELDS, "image_rejections", "image_clusters", "category")


@dataclass(slots=True)
class Group:
    """Listings that must stay together, counted by category, and by the side that they had before.

    `num_joined` tells how many groups became this one because they share near-duplicates; it is called like the
    largest of them.
    """

    name: str
    categories: Counter[str] = field(default_factory=Counter)
    earlier_sides: Counter[Split] = field(default_factory=Counter)
    num_joined: int = 1

    @property
    def num_listings(self) -> int:
        return self.categories.total()

    @property
    def kept_side(self) -> Split | None:
        """The side that most of its listings had before, if any had one."""
        return max(Split, key=lambda side: self.earlier_sides[side]) if self.earlier_sides else None


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups, and by the name of every brand, or listing without one, the group that it is in."""

    groups: Sequence[Group]
    by_name: Mapping[str, Group]
    num_left_out: int


def group_name(listing: Listing, *, group_by: Literal["brand", "listing"]) -> str:
    """The brand, however it is cased, spaced and encoded, or the listing itself when it has none."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", listing.brand or "").casefold())
    visible = (character for character in folded if unicodedata.category(character) != "Cf")
    brand = " ".join("".join(visible).split())
    return f"brand {brand}" if brand and group_by == "brand" else f"listing {listing.id}"


def can_be_asked(listing: Listing) -> bool:
    """Whether the listing belongs on a side: it has a label, and something to show."""
    return listing.label is not None and listing.says_something


def collect_groups(
    catalogue: Catalogue, *, group_by: Literal["brand", "listing"], earlier_sides: Mapping[str, Split]
) -> Grouping:
    """The groups of the listings that belong on a side; the others link nothing, for they cannot leak."""
    groups: dict[str, Group] = {}
    num_left_out = 0
    for listing in _listings_without_bytes(catalogue):
        if listing.label is None or not can_be_asked(listing):
            num_left_out += 1
            continue
        name = group_name(listing, group_by=group_by)
        group = groups.setdefault(name, Group(name))
        group.categories[listing.label.category] += 1
        if listing.id in earlier_sides:
            group.earlier_sides[earlier_sides[listing.id]] += 1
    by_name = _merge(groups, linked=_linked_by_images(catalogue, group_by=group_by))
    return Grouping(list({group.name: group for group in by_name.values()}.values()), by_name, num_left_out)


def _linked_by_images(catalogue: Catalogue, *, group_by: Literal["brand", "listing"]) -> Iterable[set[str]]:
    """For each cluster of near-duplicates the names of the groups that have one of them."""
    images = (image for listing in _listings_without_bytes(catalogue) for image in listing.images)
    names_of_cluster: dict[str, set[str]] = {image.cluster: set() for image in images if image.cluster is not None}
    for listing in _listings_without_bytes(catalogue):
        if can_be_asked(listing):
            for cluster in listing.clusters & names_of_cluster.keys():
                names_of_cluster[cluster].add(group_name(listing, group_by=group_by))
    return (names for names in names_of_cluster.values() if names)


def _listings_without_bytes(catalogue: Catalogue) -> Iterator[Listing]:
    for batch in catalogue.columns(COLUMNS):
        for row in batch.to_pylist():
            yield _listing_without_bytes(row)


def _listing_without_bytes(row: Mapping[str, Any]) -> Listing:
    marks = zip(row["image_rejections"] or (), row["image_clusters"] or (), strict=True)
    return Listing(
        id=row["id"],
        **{name: row[name] for name in TEXT_FIELDS},
        images=tuple(ListingImage(b"", "", rejection, cluster) for rejection, cluster in marks),
        label=Label(row["category"]) if row["category"] is not None else None,
    )


def _merge(groups: Mapping[str, Group], *, linked: Iterable[set[str]]) -> dict[str, Group]:
    """By name, the group that it becomes part of when the groups of each linked set are one."""
    parents: dict[str, str] = {}
    for names in linked:
        first, *others = sorted(names)
        for other in others:
            parents[_root(other, parents=parents)] = _root(first, parents=parents)
    together: defaultdict[str, list[Group]] = defaultdict(list)
    for name, group in groups.items():
        together[_root(name, parents=parents)].append(group)
    joined = {root: _join(parts) for root, parts in together.items()}
    return {name: joined[_root(name, parents=parents)] for name in groups}


def _root(name: str, *, parents: dict[str, str]) -> str:
    """The name that stands for all that are linked to `name`; shortens the way to it."""
    while (parent := parents.get(name, name)) != name:
        parents[name] = parents.get(parent, parent)
        name = parents[name]
    return name


def _join(parts: Sequence[Group]) -> Group:
    if len(parts) == 1:
        return parts[0]
    whole = Group(min(parts, key=lambda part: (-part.num_listings, part.name)).name, num_joined=len(parts))
    for part in parts:
        whole.categories.update(part.categories)
        whole.earlier_sides.update(part.earlier_sides)
    return whole
