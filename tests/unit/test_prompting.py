import io
import struct
import zlib

import pytest
from PIL import Image

from facetry.config import PromptParams
from facetry.errors import RequestError
from facetry.listing import Label, Listing, ListingImage
from facetry.prompting import answer_parts, compose, decode_image
from facetry.taxonomy import Attribute, Category

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


def test_an_answer_names_the_category_then_its_known_attributes_in_order() -> None:
    lid, colour, size = Attribute("lid", ("yes", "no")), Attribute("colour", ("red",)), Attribute("size", ("s",))
    category = Category("A > B", (lid, colour, size))
    parts = answer_parts(Label("A > B", {"colour": "red", "lid": "yes"}), category=category)
    assert "".join(part.text for part in parts) == "A > B\nlid: yes\ncolour: red\n"
    assert [part.text for part in parts if part.is_question] == ["lid:", "colour:"]


def test_transparency_becomes_white_and_photographs_stand_upright() -> None:
    assert decode_image(_encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(_encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)).size == (4, 8)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1"])
def test_pictures_of_other_modes_become_rgb(mode: str) -> None:
    assert decode_image(_encoded(Image.new(mode, (4, 4)), "TIFF")).mode == "RGB"


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
