"""What is found out before any process is started."""

from pathlib import Path

import pytest

from facetry.config import TrainParams
from facetry.errors import TaxonomyError
from facetry.listing import Split
from facetry.training.inputs import check_inputs
from tests.unit.training.shops import catalogue, listing


def test_labels_that_the_taxonomy_lacks_are_named_with_their_counts_before_training(tmp_path: Path) -> None:
    listings = [listing(f"p-{number}", category="Pam") for number in range(3)]
    listings += [listing("p-3", split=Split.VALIDATION), listing("p-4", category="Gone", split=None)]
    shop = catalogue(tmp_path / "shop", listings)
    with pytest.raises(TaxonomyError) as failure:
        check_inputs(shop, params=TrainParams(base_model=str(tmp_path)))
    assert str(failure.value).split("\n") == [
        f"the label of 3 listings of 'train' in {shop.location} is not in the taxonomy: "
        "relabel it with `facetry taxonomy relabel`",
        "       3  category 'Pam' is not in the taxonomy: did you mean 'Pan'?",
    ]
