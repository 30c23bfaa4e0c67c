"""What strangers' pictures make the decoders say, and how large they may be, in whole runs of the stage."""

import json
import warnings
from pathlib import Path

import pytest
from PIL import Image

from facetry.cleaning import clean
from facetry.cleaning.decoder_settings import decoders_set
from facetry.config import CleanParams
from tests.unit.cleaning.shops import catalogue, encode, listing, picture


def broken_tiff() -> bytes:
    """A fax with damaged lines, of which libtiff complains one by one."""
    whole = encode(picture(1).convert("1"), kind="TIFF", compression="group4")
    middle = len(whole) // 2
    return whole[: middle - 400] + b"\xff" * 800 + whole[middle + 400 :]


def transparent_palette() -> bytes:
    """A PNG that Pillow reads but warns of, for its transparency would be better as RGBA."""
    return encode(picture(2).quantize(), kind="PNG", transparency=bytes(range(256)))


def huge(*, width: int = 15_000, height: int = 13_000) -> bytes:
    return encode(Image.new("1", (width, height)), kind="PNG")


@pytest.mark.filterwarnings("always")
def test_decoders_write_nothing_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    images = (encode(picture(1)), broken_tiff(), transparent_palette(), huge(width=10_000, height=10_000))
    shop = catalogue(tmp_path / "in", [listing("a", *images)])
    capfd.readouterr()
    with warnings.catch_warnings(record=True) as warned:
        clean(shop, params=CleanParams(), out=tmp_path / "out")
    said = capfd.readouterr()
    assert [str(warning.message) for warning in warned] == []
    assert "Fax4Decode" not in said.err + said.out


@pytest.mark.parametrize(("max_megapixels", "reason"), [(190, "large"), (200, "blank")])
def test_more_megapixels_than_pillow_opens_can_be_allowed(tmp_path: Path, max_megapixels: float, reason: str) -> None:
    shop = catalogue(tmp_path / "in", [listing("a", encode(picture(1)), huge())])
    summary = clean(shop, params=CleanParams(max_megapixels=max_megapixels), out=tmp_path / "out")
    assert summary.rejected == {reason: 1}
    assert json.loads((tmp_path / "out/report/report.json").read_text())["rejected"] == {reason: 1}


def test_settings_are_as_before_afterwards() -> None:
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    with pytest.raises(ZeroDivisionError), decoders_set(max_pixels=float("inf")):
        raise ZeroDivisionError
    assert limit == Image.MAX_IMAGE_PIXELS
    assert filters == list(warnings.filters)
