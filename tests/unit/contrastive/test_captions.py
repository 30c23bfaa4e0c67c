from pathlib import Path

import pytest

from facetry.backbones.clip import Clip
from facetry.backbones.dual_encoder import PairEncoder
from facetry.config import ContrastiveParams
from facetry.decoding.captions import category_facet, learnt_facets
from facetry.errors import ConfigError, TrainingError
from facetry.listing import Label
from facetry.taxonomy import load_yaml
from facetry.training.contrastive.captions import CaptionTable
from tests.unit.contrastive.shop import TAXONOMY


def test_a_bare_caption_is_the_value_alone() -> None:
    (lid,) = learnt_facets(TAXONOMY, params=ContrastiveParams(learn=("lid",)))
    assert (lid.values, lid.captions) == (("yes", "no"), ("yes", "no"))


def test_a_sentence_holds_the_name_and_the_value() -> None:
    params = ContrastiveParams(learn=("lid",), captions="sentence", sentence="a pan, {name}: {value}")
    assert learnt_facets(TAXONOMY, params=params)[0].captions == ("a pan, lid: yes", "a pan, lid: no")


def test_a_category_is_called_by_its_last_name() -> None:
    bare = category_facet(TAXONOMY, params=ContrastiveParams())
    assert (bare.values[2], bare.captions[2]) == ("Clothing > T-Shirt", "T-Shirt")
    sentence = category_facet(TAXONOMY, params=ContrastiveParams(captions="sentence"))
    assert sentence.captions[2] == "a photo of a product, category: T-Shirt"


def test_categories_that_end_alike_are_called_by_their_whole_paths() -> None:
    taxonomy = load_yaml("Skin: {categories: {Oil: , Balm: }}\nBath: {categories: {Oil: }}", origin="test")
    captions = category_facet(taxonomy, params=ContrastiveParams()).captions
    assert captions == ("Skin > Oil", "Balm", "Bath > Oil")


def test_an_attribute_has_the_values_of_all_categories() -> None:
    (colour,) = learnt_facets(TAXONOMY, params=ContrastiveParams(learn=("colour",)))
    assert colour.values == ("red", "green", "blue", "black")


def test_what_a_label_tells_of_a_facet() -> None:
    category, lid = learnt_facets(TAXONOMY, params=ContrastiveParams(learn=("category", "lid")))
    label = Label("Clothing > Dress", {"colour": "red"})
    assert (category.value_of(label), lid.value_of(label)) == ("Clothing > Dress", None)


def test_an_attribute_that_nothing_has_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="no attribute is called 'color', did you mean 'colour'"):
        learnt_facets(TAXONOMY, params=ContrastiveParams(learn=("color",)))


def test_captions_that_stand_for_two_things_are_refused(clip_folder: Path) -> None:
    taxonomy = load_yaml("Pan: {attributes: {lid: ['yes', 'no'], handle: ['Yes', 'no']}}", origin="test")
    encoder = PairEncoder.load(clip_folder, family=Clip())
    bare = ContrastiveParams(learn=("lid", "handle"))
    with pytest.raises(TrainingError, match="the caption 'Yes' stands for lid 'yes' and handle 'Yes'"):
        CaptionTable.of(learnt_facets(taxonomy, params=bare), encoder=encoder)
    sentences = ContrastiveParams(learn=("lid", "handle"), captions="sentence")
    assert len(CaptionTable.of(learnt_facets(taxonomy, params=sentences), encoder=encoder)) == 4


def test_a_caption_that_the_model_cannot_read_to_its_end_is_refused(clip_folder: Path) -> None:
    encoder = PairEncoder.load(clip_folder, family=Clip())
    params = ContrastiveParams(learn=("lid",), captions="sentence", sentence="a photo of a product " * 9 + "{value}")
    with pytest.raises(TrainingError, match="tokens, the model reads 24: write a shorter one"):
        CaptionTable.of(learnt_facets(TAXONOMY, params=params), encoder=encoder)
