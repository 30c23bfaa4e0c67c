from pathlib import Path

import pytest

from facetry.backbones.clip import Clip
from facetry.backbones.dual_encoder import DualEncoder, PairEncoder
from facetry.config import ContrastiveParams
from facetry.decoding.captions import learnt_facets
from facetry.synthetic.catalogue import drawn_taxonomy
from facetry.synthetic.clip_model import write_clip_model
from facetry.training.contrastive.captions import CaptionTable

ALL = ("category", "colour", "container", "lid", "handle", "sleeve length", "neckline")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "clip-model"
    write_clip_model(folder, texts=["Harbour Wok oven safe"] * 20, taxonomy=drawn_taxonomy(), seed=7)
    return folder


def test_it_is_a_clip_that_can_be_told_everything_of_the_drawn_shop(folder: Path) -> None:
    encoder = DualEncoder.load(folder, family=Clip()).encoder
    for captions in ("bare", "sentence"):
        params = ContrastiveParams(learn=ALL, captions=captions)
        facets = learnt_facets(drawn_taxonomy(), params=params)
        assert len(CaptionTable.of(facets, encoder=encoder)) == sum(len(facet.values) for facet in facets)


def test_a_value_of_one_word_is_one_token(folder: Path) -> None:
    encoder = PairEncoder.load(folder, family=Clip())
    assert {len(encoder.caption_ids(value)) for value in ("yes", "sleeveless", "purple", "Casserole")} == {3}


def test_the_same_seed_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_clip_model(tmp_path, texts=["Harbour Wok oven safe"] * 20, taxonomy=drawn_taxonomy(), seed=7)
    for file in folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name
