"""A listing as the model is shown it, and a label as the model says it. Training and serving both come through here."""

import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ExifTags, Image, UnidentifiedImageError

from facetry.config import PromptParams
from facetry.errors import RequestError
from facetry.listing import Label, Listing
from facetry.taxonomy import Category

MAX_IMAGE_PIXELS = 50_000_000
END_OF_PART = "\n"

FIELD_NAMES = {
    "title": "Title",
    "description": "Description",
    "brand": "Brand",
    "brand_description": "About the brand",
}
_SPECIAL_TOKEN = re.compile(r"<\|[^<>|]{1,40}\|>|</?[a-z_]{1,20}>")

Resizing = Callable[[int, int], tuple[int, int]]
"""From an image's width and height to those that the model brings it to."""
JPEG_FORMATS = ("JPEG", "MPO")
JPEG_FRACTIONS = (8, 4, 2)
TURNED = (5, 6, 7, 8)
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is asked: chat messages with a place for each image, and the images."""

    messages: tuple[dict[str, object], ...]
    images: tuple[Image.Image, ...]


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A piece of the answer: given to the model when it is a question, learnt and searched for when it is not."""

    text: str
    is_question: bool


def compose(listing: Listing, *, params: PromptParams, resized_to: Resizing | None = None) -> Prompt:
    """The prompt for `listing`; a `RequestError` when it has nothing to show or an image that is none.

    `resized_to` tells to which size the model brings an image: of a large one no more than that is decoded.
    """
    if not listing.says_something:
        raise RequestError("the listing holds no image and no text: give at least one")
    images = tuple(
        decode_image(image.data, resized_to=resized_to) for image in listing.usable_images[: params.max_images]
    )
    return Prompt(messages=(message(listing, params=params),), images=images)


def message(listing: Listing, *, params: PromptParams) -> dict[str, object]:
    """What is said of `listing`: a place for each of its images, its texts, and the question."""
    images = listing.usable_images[: params.max_images]
    lines = [
        f"{FIELD_NAMES[name]}: {_plain(text)[: params.max_field_characters]}" for name, text in listing.texts.items()
    ]
    content = [{"type": "image"} for _ in images] + [{"type": "text", "text": "\n".join([*lines, params.question])}]
    return {"role": "user", "content": content}


def answer_parts(label: Label, *, category: Category) -> list[AnswerPart]:
    """The answer that `label` stands for: the category, then each attribute it knows, in the category's order."""
    parts = [category_part(label.category)]
    for attribute in category.choices:
        if attribute.name in label.attributes:
            parts.append(attribute_question(attribute.name))
            parts.append(value_part(label.attributes[attribute.name]))
    return parts


def category_part(path: str) -> AnswerPart:
    return AnswerPart(path + END_OF_PART, is_question=False)


def attribute_question(name: str) -> AnswerPart:
    return AnswerPart(f"{name}:", is_question=True)


def value_part(value: str) -> AnswerPart:
    return AnswerPart(f" {value}{END_OF_PART}", is_question=False)


def title_part(title: str, *, params: PromptParams) -> AnswerPart:
    """A title as an answer: as much of it as a prompt would show."""
    return AnswerPart(_plain(title)[: params.max_field_characters] + END_OF_PART, is_question=False)


def decode_image(data: bytes, *, resized_to: Resizing | None = None) -> Image.Image:
    """The picture in `data` as RGB, upright; transparency becomes white. Refuses huge ones before decoding.

    With `resized_to`, a JPEG is decoded at the smallest fraction of its size that is brought to the same size.
    """
    try:
        image: Image.Image = Image.open(io.BytesIO(data))
        if image.width * image.height > MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        if resized_to is not None:
            _draft(image, resized_to=resized_to)
        image.load()
        orientation = _orientation(image)
        return _as_rgb(image.transpose(TRANSPOSITIONS[orientation]) if orientation in TRANSPOSITIONS else image)
    except Image.DecompressionBombError as error:
        raise RequestError(f"an image is too large: send one of at most {MAX_IMAGE_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise RequestError("an image is no picture that can be read: send JPEG, PNG or WebP bytes") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise RequestError(f"an image is broken ({error}): send it again, whole") from error


def image_size(data: bytes) -> tuple[int, int] | None:
    """The width and height of the picture in `data` when it is upright, by its header; None when it is no picture."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            return (height, width) if _orientation(image) in TURNED else (width, height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _draft(image: Image.Image, *, resized_to: Resizing) -> None:
    """Have `image` decoded at a fraction of its size, if it is a JPEG and comes to the same size all the same."""
    is_jpeg = image.format in JPEG_FORMATS
    width, height = reversed(image.size) if is_jpeg and _orientation(image) in TURNED else image.size
    across, down = resized_to(width, height)
    for fraction in JPEG_FRACTIONS if is_jpeg else ():
        smaller = math.ceil(width / fraction), math.ceil(height / fraction)
        if smaller[0] >= across and smaller[1] >= down and resized_to(*smaller) == (across, down):
            image.draft(None, (image.width // fraction, image.height // fraction))
            return


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1, upright, when there is none that can be read."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # EXIF written by strangers can break its reader in any way, and harms no pixel
        return 1
    return orientation if isinstance(orientation, int) else 1


def _as_rgb(image: Image.Image) -> Image.Image:
    """`image` without its transparency and in 8 bits of each colour."""
    if image.mode.startswith("I;16"):
        # Pillow would cut off what is brighter than 255.
        image = image.convert("I").point(lambda level: level / 257 + 0.5).convert("L")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _plain(text: str) -> str:
    """`text` on one line, with nothing in it that the tokenizer would take for a token of the chat."""
    return " ".join(_SPECIAL_TOKEN.sub(" ", text).split())
