"""A listing as the model is shown it, and a label as the model says it. Training and serving both come through here."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

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
_SPECIAL_TOKEN = re.compile(r"<\|[^<>|]{1,40}\|>")


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


def compose(listing: Listing, *, params: PromptParams) -> Prompt:
    """The prompt for `listing`; a `RequestError` when it has nothing to show or an image that is none."""
    if not listing.says_something:
        raise RequestError("the listing holds no image and no text: give at least one")
    images = tuple(decode_image(image.data) for image in listing.usable_images[: params.max_images])
    lines = [
        f"{FIELD_NAMES[name]}: {_plain(text)[: params.max_field_characters]}" for name, text in listing.texts.items()
    ]
    content = [{"type": "image"} for _ in images] + [{"type": "text", "text": "\n".join([*lines, params.question])}]
    return Prompt(messages=({"role": "user", "content": content},), images=images)


def answer_parts(label: Label, *, category: Category) -> list[AnswerPart]:
    """The answer that `label` stands for: the category, then each attribute it knows, in the category's order."""
    parts = [category_part(label.category)]
    for attribute in category.attributes:
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


def decode_image(data: bytes) -> Image.Image:
    """The picture in `data` as RGB, upright; transparency becomes white. Refuses huge ones before decoding."""
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            white = Image.new("RGBA", upright.size, "white")
            return Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB")
        return upright.convert("RGB")
    except Image.DecompressionBombError as error:
        raise RequestError(f"an image is too large: send one of at most {MAX_IMAGE_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise RequestError("an image is no picture that can be read: send JPEG, PNG or WebP bytes") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise RequestError(f"an image is broken ({error}): send it again, whole") from error


def images_of(prompts: Sequence[Prompt]) -> list[Image.Image]:
    return [image for prompt in prompts for image in prompt.images]


def _plain(text: str) -> str:
    """`text` on one line, with nothing in it that the tokenizer would take for a token of the chat."""
    return " ".join(_SPECIAL_TOKEN.sub(" ", text).split())
