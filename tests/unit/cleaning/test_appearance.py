"""Real encoded images of every format, whole and damaged, looked at one by one."""

import io
from functools import cache
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from facetry.cleaning.appearance import Appearance, examine
from facetry.config import CleanParams

PARAMS = CleanParams()
CUTS = range(5, 100, 5)


@cache
def photograph(seed: int, *, width: int = 800, height: int = 800) -> Image.Image:
    """Coloured shapes with a camera's grain, that look like no other seed's."""
    random = Random(seed)
    image = Image.new("RGB", (width, height), _colour(random))
    pen = ImageDraw.Draw(image)
    for _ in range(24):
        left, top = random.uniform(0, 0.8), random.uniform(0, 0.8)
        right, bottom = left + random.uniform(0.05, 0.4), top + random.uniform(0.05, 0.4)
        shape = random.choice((pen.ellipse, pen.rectangle))
        shape((left * width, top * height, right * width, bottom * height), fill=_colour(random))
    grain = np.random.default_rng(seed).normal(0, 4, (height, width, 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


@cache
def whole_file(kind: str, **options: object) -> bytes:
    return encode(photograph(1, width=400, height=320), kind, **options)


def look(data: bytes, params: CleanParams = PARAMS) -> Appearance:
    return examine(data, params=params)


def distance(one: Appearance, other: Appearance) -> int:
    assert one.fingerprint is not None
    assert other.fingerprint is not None
    return (one.fingerprint ^ other.fingerprint).bit_count()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("size", [(640, 400), (400, 900), (301, 333)])
def test_every_format_is_seen_alike(kind: str, size: tuple[int, int]) -> None:
    image = photograph(1, width=size[0], height=size[1])
    seen, reference = look(encode(image, kind)), look(encode(image, "PNG"))
    assert seen.fault is None
    assert (seen.width, seen.height) == size
    assert distance(seen, reference) <= PARAMS.duplicate_radius


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "YCbCr", "RGBA", "LA", "1", "I;16"])
def test_every_kind_of_pixel_is_read(mode: str) -> None:
    image = photograph(1)
    if mode == "I;16":
        odd = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        odd = image.convert(mode)
    seen = look(encode(odd, "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"))
    assert seen.fault is None
    if mode != "1":
        assert distance(seen, look(encode(image))) <= PARAMS.duplicate_radius


def test_only_the_first_frame_of_an_animation_counts() -> None:
    first, second = photograph(1).quantize(), photograph(2).quantize()
    moving = encode(first, "GIF", save_all=True, append_images=[second])
    assert distance(look(moving), look(encode(first, "GIF"))) == 0


def test_transparency_is_seen_on_white() -> None:
    clear = photograph(1).convert("RGBA")
    clear.putalpha(0)
    assert look(encode(clear, "PNG")).fault == "blank"
    palette = Image.new("P", (400, 400))
    palette.putpalette([0, 0, 0, 255, 255, 255])
    assert look(encode(palette, "PNG", transparency=0)).fault == "blank"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("percent", CUTS)
def test_a_jpeg_cut_anywhere_is_corrupt(progressive: bool, percent: int) -> None:
    whole = whole_file("JPEG", quality=88, progressive=progressive)
    assert look(whole).fault is None
    cut = whole[: len(whole) * percent // 100]
    zeros = bytes(len(whole) - len(cut))
    found = {
        "short": look(cut).fault,
        "closed again": look(cut + b"\xff\xd9").fault,
        "filled with zeros": look(cut + zeros).fault,
        "filled and closed": look(cut + zeros[2:] + b"\xff\xd9").fault,
    }
    assert set(found.values()) == {"corrupt"}, found


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("percent", CUTS)
def test_any_other_image_cut_anywhere_is_corrupt(kind: str, percent: int) -> None:
    whole = whole_file(kind)
    assert look(whole[: len(whole) * percent // 100]).fault == "corrupt"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("percent", CUTS)
def test_an_image_whose_end_is_zeros_is_corrupt(kind: str, percent: int) -> None:
    whole = whole_file(kind)
    cut = whole[: len(whole) * percent // 100]
    assert look(cut + bytes(len(whole) - len(cut))).fault == "corrupt"


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"<!doctype html><p>Moved", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_corrupt(data: bytes) -> None:
    seen = look(data)
    assert (seen.fault, seen.width, seen.fingerprint) == ("corrupt", None, None)
    assert len(seen.digest) == 16


def test_bytes_after_the_end_of_a_jpeg_do_no_harm() -> None:
    assert look(encode(photograph(1)) + bytes(4096)).fault is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_too_many_pixels_are_refused_by_the_header_alone(kind: str) -> None:
    whole = encode(Image.new("L", (2000, 1000)), kind)
    # TIFF keeps its header at the end, and of WebP nothing is read before all of it is there.
    seen = look(whole if kind in ("TIFF", "WEBP") else whole[:-100], CleanParams(max_megapixels=1.9))
    assert (seen.fault, seen.width, seen.height) == ("large", 2000, 1000)


def test_more_pixels_than_pillow_opens_are_refused() -> None:
    assert look(encode(Image.new("1", (14_000, 14_000)), "PNG")).fault == "large"


def test_a_jpeg_of_thousands_of_scans_is_not_decoded() -> None:
    whole = encode(photograph(1), progressive=True)
    start = whole.rindex(b"\xff\xda")
    bomb = whole[:start] + whole[start:-2] * 600 + whole[-2:]
    assert look(bomb).fault == "corrupt"


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (299, 800)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_short_side_makes_an_image_small(size: tuple[int, int], kind: str) -> None:
    seen = look(encode(photograph(1, width=size[0], height=size[1]), kind))
    assert (seen.fault, seen.width, seen.height) == ("small", *size)


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("colour", ["white", "black", "#e8d0d0", "#c01030"])
def test_an_image_of_one_colour_is_blank(colour: str, quality: int) -> None:
    plain = np.full((400, 400, 3), Image.new("RGB", (1, 1), colour).getpixel((0, 0)), dtype=np.int16)
    noisy = (plain + np.random.default_rng(0).integers(-3, 4, plain.shape)).clip(0, 255).astype(np.uint8)
    assert look(encode(Image.fromarray(plain.astype(np.uint8)), quality=quality)).fault == "blank"
    assert look(encode(Image.fromarray(noisy), quality=quality)).fault == "blank"


def test_a_pale_product_on_white_is_kept() -> None:
    image = Image.new("RGB", (800, 800), "white")
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((260, 120, 540, 700), radius=40, fill="#f1eee8", outline="#d8d2c8", width=4)
    for top in range(330, 560, 30):
        pen.text((300, top), "gentle cream, fragrance free", fill="#8a8478", font_size=18)
    assert look(encode(image, quality=85)).fault is None


@pytest.mark.parametrize("side", [336, 800, 1600])
def test_sharp_and_blurred_are_told_apart_at_any_size(side: int) -> None:
    sharp = photograph(3, width=1600, height=1600)
    blurred = sharp.filter(ImageFilter.GaussianBlur(1600 * 0.016))
    assert look(encode(sharp.resize((side, side), Image.Resampling.LANCZOS))).fault is None
    assert look(encode(blurred.resize((side, side), Image.Resampling.LANCZOS))).fault == "blurred"


@pytest.mark.parametrize("kind", ["JPEG", "BMP"])
def test_sharpness_is_measured_at_a_fixed_scale(kind: str) -> None:
    image = photograph(3, width=2400, height=2400)
    sizes = (800, 1000, 1300, 1600, 2400)
    measured = [look(encode(image.resize((side, side), Image.Resampling.BOX), kind)).sharpness for side in sizes]
    known = [sharpness for sharpness in measured if sharpness is not None]
    assert len(known) == len(sizes)
    assert max(known) < 2 * min(known), known


def test_copies_have_fingerprints_within_the_radius() -> None:
    random = Random(0)
    for seed in range(40):
        original = encode(photograph(seed, width=600, height=600), quality=90)
        side = round(600 * random.choice((0.95, 1.0, 1.06, 1.2)))
        resized = Image.open(io.BytesIO(original)).resize((side, side), Image.Resampling.LANCZOS)
        copy = encode(resized, quality=random.randrange(80, 93))
        assert distance(look(original), look(copy)) <= PARAMS.duplicate_radius, seed


def test_different_pictures_have_fingerprints_far_apart() -> None:
    seen = [look(encode(photograph(seed, width=400, height=400))) for seed in range(40)]
    distances = [distance(one, other) for index, one in enumerate(seen) for other in seen[:index]]
    assert min(distances) > 2 * PARAMS.duplicate_radius


def test_the_same_product_in_another_colour_is_another_picture() -> None:
    def bottle(colour: str) -> bytes:
        image = Image.new("RGB", (600, 600), "white")
        ImageDraw.Draw(image).rounded_rectangle((200, 100, 400, 550), radius=50, fill=colour)
        return encode(image)

    assert distance(look(bottle("#203060")), look(bottle("#d05070"))) > PARAMS.duplicate_radius


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stored_turned_is_the_same_picture(kind: str, orientation: int) -> None:
    image = photograph(5, width=720, height=480)
    stored_as = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = image.transpose(stored_as[orientation]) if orientation in stored_as else image
    turned = look(encode(stored, kind, exif=_exif(orientation)))
    assert (turned.width, turned.height) == stored.size
    assert distance(turned, look(encode(image, kind))) <= PARAMS.duplicate_radius


def test_broken_exif_does_not_condemn_a_picture() -> None:
    whole = encode(photograph(1))
    segment = b"Exif\0\0" + b"\xff" * 20
    broken = whole[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + whole[2:]
    assert look(broken).fault is None


def test_the_digest_is_of_the_bytes() -> None:
    data = encode(photograph(1))
    assert look(data).digest == look(bytes(data)).digest
    assert look(data).digest != look(data + b"\0").digest


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _colour(random: Random) -> tuple[int, int, int]:
    return random.randrange(256), random.randrange(256), random.randrange(256)
