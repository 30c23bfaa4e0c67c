"""A catalogue under a new taxonomy: labels mapped, what fits no more counted, and nothing lost in silence."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import SplitParams
from facetry.errors import TaxonomyError
from facetry.listing import Label, LabelSource, Listing, Split
from facetry.taxonomy import load_yaml
from facetry.taxonomy.relabelling import relabel

OLD = "Home: {attributes: {lid: ['yes', 'no'], colour: [red, blue]}, categories: {Pan: , Pot: , Wok: }}\n"
NEW = load_yaml(
    """
Home: {categories: {Pans: {attributes: {lid: ['yes', 'no'], colour: [red], width: {kind: number}}}, Pot: , Woks: }}
Garden: {categories: {Tools: }}
""",
    origin="new",
)
MAPPING = {"Home > Pan": "Home > Pans"}


def listing(number: int, category: str | None, *, candidates: Sequence[str] = (), **attributes: str) -> Listing:
    label = Label(category, attributes, LabelSource.AUDITED) if category else None
    return Listing(id=f"p-{number}", title="a pan", label=label, candidates=tuple(candidates), split=Split.TRAIN)


def catalogue(folder: Path, *listings: Listing) -> Catalogue:
    with CatalogueWriter(folder, stage="split", params=SplitParams(), taxonomy_yaml=OLD, parent=None) as writer:
        for each in listings:
            writer.add(each)
    return Catalogue.open(folder)


@pytest.fixture
def shop(tmp_path: Path) -> Catalogue:
    (tmp_path / "old").mkdir()
    return catalogue(
        tmp_path / "old",
        listing(1, "Home > Pan", lid="yes", colour="blue", width="24"),
        listing(2, "Home > Pan", candidates=["Home > Pan", "Home > Wok"], lid="no", colour="red"),
        listing(3, "Home > Pot", lid="yes"),
        listing(4, "Home > Wok"),
        listing(5, "Home > Wok"),
        listing(6, None),
    )


def test_labels_that_no_mapping_and_no_taxonomy_knows_are_named_with_counts(shop: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError) as failure:
        relabel(shop, taxonomy=NEW, mapping=MAPPING, out=tmp_path / "new")
    assert str(failure.value).split("\n") == [
        f"the label of 2 listings of {shop.location} is not in the taxonomy: "
        "add it to the mapping, or give --drop-unknown",
        "       2  category 'Home > Wok' is not in the taxonomy: did you mean 'Home > Woks'?",
    ]
    assert not (tmp_path / "new").exists()


def test_labels_are_mapped_and_every_count_adds_up(shop: Catalogue, tmp_path: Path) -> None:
    summary = relabel(shop, taxonomy=NEW, mapping=MAPPING, drop_unknown=True, out=tmp_path / "new")
    new = Catalogue.open(tmp_path / "new")
    labels = {each.id: each.label for each in new.listings()}
    assert [label.category if label else None for label in labels.values()] == [
        "Home > Pans",
        "Home > Pans",
        "Home > Pot",
        None,
        None,
        None,
    ]
    assert labels["p-1"] == Label("Home > Pans", {"lid": "yes", "width": "24"}, LabelSource.AUDITED)
    assert [each.candidates for each in new.listings()][1] == ("Home > Pans",)
    assert (summary.num_mapped, summary.num_kept, summary.num_dropped, summary.num_unlabelled) == (2, 1, 2, 1)
    assert summary.num_listings == 2 + 1 + 2 + 1 == len(new)
    assert summary.attributes_dropped == {"colour": 1, "lid": 1}
    assert summary.num_candidates_dropped == 1
    assert [(label.path, label.num_listings) for label in summary.unknown] == [("Home > Wok", 2)]
    assert summary.one_line() == (
        "relabelled 6 listings: 2 labels mapped, 1 kept, 2 dropped, 1 listings had none; "
        "attributes dropped: colour 1, lid 1; 1 candidates dropped"
    )
    assert json.loads((tmp_path / "new" / "relabel.json").read_text())["num_mapped"] == 2


def test_the_new_catalogue_knows_what_it_came_from_and_has_the_new_taxonomy(shop: Catalogue, tmp_path: Path) -> None:
    relabel(shop, taxonomy=NEW, mapping=MAPPING, drop_unknown=True, out=tmp_path / "new")
    new = Catalogue.open(tmp_path / "new")
    assert new.taxonomy == NEW
    assert (new.manifest.parent, new.manifest.stage) == (shop.digest, "split")
    assert new.manifest.params["relabelled"] is True
    assert {each.split for each in new.listings()} == {Split.TRAIN}


def test_a_label_that_has_categories_below_it_now_is_unknown(shop: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="2  category 'Garden' has categories below it: name one of those"):
        relabel(shop, taxonomy=NEW, mapping={**MAPPING, "Home > Wok": "Garden"}, out=tmp_path / "new")


def test_a_misspelt_path_in_the_mapping_is_not_passed_over(shop: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"'Home > Wokk' is not in the taxonomy: did you mean 'Home > Wok'\?"):
        relabel(shop, taxonomy=NEW, mapping={**MAPPING, "Home > Wokk": "Home > Woks"}, out=tmp_path / "new")
