"""Images as shops really send them: out of focus, too small, cut short, or sent twice."""

import io
from random import Random

from PIL import Image, ImageFilter

from facetry.synthetic.plan import Defect

NO_IMAGES = (
    b"<!doctype html><title>404</title><p>This image has moved.</p>",
    b"",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
)


def encode(image: Image.Image, *, quality: int) -> bytes:
    """`image` as JPEG bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def spoil(image: Image.Image, defect: Defect, *, quality: int, random: Random) -> bytes:
    """The bytes of `image` with `defect`."""
    if defect is Defect.BLURRED:
        radius = image.width * random.uniform(0.016, 0.03)
        return encode(image.filter(ImageFilter.GaussianBlur(radius)), quality=quality)
    if defect is Defect.TINY:
        side = max(16, round(min(image.width, 280) * random.uniform(0.25, 0.95)))
        return encode(image.resize((side, side), Image.Resampling.BICUBIC), quality=quality)
    data = encode(image, quality=quality)
    if random.random() < 0.6:
        return data[: round(len(data) * random.uniform(0.2, 0.7))]
    return random.choice(NO_IMAGES)


def reencode(data: bytes, *, random: Random) -> bytes:
    """The same picture after another shop's upload: a little larger or smaller, and compressed again."""
    image = Image.open(io.BytesIO(data))
    side = round(image.width * random.choice((0.95, 1.0, 1.06, 1.2)))
    return encode(image.resize((side, side), Image.Resampling.LANCZOS), quality=random.randrange(80, 93))
