import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from facetry.config import PromptParams
from facetry.errors import RequestError
from facetry.listing import Label, Listing, ListingImage
from facetry.prompting import answer_parts, compose, decode_image
from facetry.taxonomy import Attribute, AttributeKind, Category

PARAMS = PromptParams(question="Which category?", max_images=2, max_field_characters=20)


def _encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _picture() -> ListingImage:
    return ListingImage(_encoded(Image.new("RGB", (30, 20), "red")), "red.png")


def test_a_prompt_shows_the_pictures_then_the_words_then_the_question() -> None:
    prompt = compose(Listing("1", title="Rose balm", brand="Orla", images=(_picture(),)), params=PARAMS)
    content = prompt.messages[0]["content"]
    assert content == [{"type": "image"}, {"type": "text", "text": "Title: Rose balm\nBrand: Orla\nWhich category?"}]
    assert [image.size for image in prompt.images] == [(30, 20)]


def test_words_alone_and_a_picture_alone_are_each_enough() -> None:
    assert not compose(Listing("1", title="Rose balm"), params=PARAMS).images
    assert len(compose(Listing("1", images=(_picture(),)), params=PARAMS).images) == 1


def test_a_listing_with_nothing_to_show_is_refused() -> None:
    with pytest.raises(RequestError, match="no image and no text"):
        compose(Listing("1", title="  "), params=PARAMS)


def test_rejected_and_surplus_pictures_are_not_shown() -> None:
    rejected = ListingImage(b"", "x", rejection="blurred")
    prompt = compose(Listing("1", images=(rejected, _picture(), _picture(), _picture())), params=PARAMS)
    assert len(prompt.images) == 2


def test_long_text_is_cut_and_tokens_of_the_chat_are_taken_out() -> None:
    prompt = compose(Listing("1", title="<|im_end|>balm\n" + "x" * 90), params=PARAMS)
    assert prompt.messages[0]["content"] == [{"type": "text", "text": f"Title: balm {'x' * 15}\nWhich category?"}]


@pytest.mark.parametrize("token", ["<image>", "</s>", "<s>", "<|vision_start|>", "<tool_call>"])
def test_no_token_of_any_model_is_left_in_the_words(token: str) -> None:
    prompt = compose(Listing("1", title=f"a{token}b < c > d"), params=PARAMS)
    assert prompt.messages[0]["content"] == [{"type": "text", "text": "Title: a b < c > d\nWhich category?"}]


def test_an_answer_names_the_category_then_its_known_attributes_in_order() -> None:
    lid, colour, size = Attribute("lid", ("yes", "no")), Attribute("colour", ("red",)), Attribute("size", ("s",))
    category = Category("A > B", (lid, colour, size))
    parts = answer_parts(Label("A > B", {"colour": "red", "lid": "yes"}), category=category)
    assert "".join(part.text for part in parts) == "A > B\nlid: yes\ncolour: red\n"
    assert [part.text for part in parts if part.is_question] == ["lid:", "colour:"]


def test_attributes_that_are_no_choice_are_not_asked() -> None:
    width = Attribute("width", kind=AttributeKind.NUMBER, unit="cm")
    category = Category("Pan", (width, Attribute("lid", ("yes", "no")), Attribute("use", ("oven", "hob"), many=True)))
    parts = answer_parts(Label("Pan", {"width": "24", "lid": "yes", "use": "oven"}), category=category)
    assert "".join(part.text for part in parts) == "Pan\nlid: yes\n"


def test_transparency_becomes_white_and_photographs_stand_upright() -> None:
    assert decode_image(_encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(_encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)).size == (4, 8)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1"])
def test_pictures_of_other_modes_become_rgb(mode: str) -> None:
    assert decode_image(_encoded(Image.new(mode, (4, 4)), "TIFF")).mode == "RGB"


def test_grey_of_16_bits_keeps_its_shades() -> None:
    shades = np.array([[0, 20_000, 65_535]], dtype=np.uint16)
    assert np.asarray(decode_image(_encoded(Image.fromarray(shades))))[0, :, 0].tolist() == [0, 78, 255]


def test_what_is_no_picture_or_half_a_picture_is_refused() -> None:
    noise = Image.effect_noise((200, 200), 90)
    with pytest.raises(RequestError, match="no picture"):
        decode_image(b"<html>")
    with pytest.raises(RequestError, match="broken"):
        decode_image(_encoded(noise, "JPEG")[:2000])


def test_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">II4s", zlib.crc32(header), 9, b"IDAT")
    with pytest.raises(RequestError, match="at most 50,000,000 pixels"):
        decode_image(bomb)


def _photograph(width: int, height: int) -> Image.Image:
    """Soft shapes of all colours with some grain, as a camera sees them."""
    random = np.random.default_rng(width)
    blobs = Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((width, height))
    return Image.fromarray((np.asarray(blobs) * 0.9 + random.integers(0, 25, (height, width, 1))).astype(np.uint8))


def _halved_to_grid(width: int, height: int) -> tuple[int, int]:
    """A model that sees nothing larger than 300 x 200 pixels, in steps of 10."""
    scale = min(300 / width, 200 / height, 1)
    return max(int(width * scale) // 10, 1) * 10, max(int(height * scale) // 10, 1) * 10


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_of_a_large_photograph_no_more_is_decoded_than_the_model_is_shown(mode: str) -> None:
    data = _encoded(_photograph(1200, 800).convert(mode), "JPEG", quality=90)
    whole, part = decode_image(data), decode_image(data, resized_to=_halved_to_grid)
    assert (whole.size, part.size, part.mode) == ((1200, 800), (300, 200), "RGB")
    shown = [np.asarray(each.resize((300, 200), Image.Resampling.BICUBIC)).astype(int) for each in (whole, part)]
    assert np.abs(shown[0] - shown[1]).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_that_lies_on_its_side_is_upright_at_any_fraction_of_its_size(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encoded(_photograph(800, 1200), "JPEG", exif=exif)
    whole, part = decode_image(data), decode_image(data, resized_to=_halved_to_grid)
    assert whole.size == ((800, 1200) if orientation < 5 else (1200, 800))
    assert part.size == ((200, 300) if orientation < 5 else (300, 200))
    assert np.abs(np.asarray(whole.resize(part.size)).astype(int) - np.asarray(part)).mean() < 5


@pytest.mark.parametrize("size", [(1201, 799), (607, 405), (2399, 1601), (601, 401), (1207, 811)])
def test_a_fraction_of_a_photograph_is_brought_to_the_size_of_the_whole(size: tuple[int, int]) -> None:
    part = decode_image(_encoded(_photograph(*size), "JPEG"), resized_to=_halved_to_grid)
    across, down = _halved_to_grid(*size)
    assert _halved_to_grid(*part.size) == (across, down)
    assert part.width >= across
    assert part.height >= down


def test_only_photographs_can_be_decoded_in_part() -> None:
    assert decode_image(_encoded(_photograph(1200, 800)), resized_to=_halved_to_grid).size == (1200, 800)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_exif_that_cannot_be_read_harms_no_picture() -> None:
    data = _encoded(_photograph(60, 40), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert decode_image(data, resized_to=_halved_to_grid).size == (60, 40)
