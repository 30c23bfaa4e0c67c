"""Real encoded images of every format, whole and damaged, looked at one by one."""

import io
from functools import cache
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from facetry.cleaning.appearance import Appearance, look_at
from facetry.cleaning.findings import FAULTS, WITHOUT, find_faults, tabulate
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


@cache
def with_margins(side: int, margin: float, *, colour: str = "white") -> Image.Image:
    """A photograph between flat margins above and below, each that share of the height."""
    image = Image.new("RGB", (side, side), colour)
    top = round(side * margin)
    image.paste(photograph(1, width=side, height=side - 2 * top), (0, top))
    return image


def look(data: bytes, params: CleanParams = PARAMS) -> Appearance:
    return look_at(data, params=params)


def fault(data: bytes) -> str | None:
    (place,) = find_faults(tabulate([look(data)]), params=PARAMS)
    return None if place == WITHOUT else FAULTS[place]


def distance(one: Appearance, other: Appearance) -> int:
    assert one.fingerprint is not None
    assert other.fingerprint is not None
    return (one.fingerprint ^ other.fingerprint).bit_count()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("size", [(640, 400), (400, 900), (301, 333)])
def test_every_format_is_seen_alike(kind: str, size: tuple[int, int]) -> None:
    image = photograph(1, width=size[0], height=size[1])
    data = encode(image, kind)
    seen, reference = look(data), look(encode(image, "PNG"))
    assert fault(data) is None
    assert (seen.width, seen.height) == size
    assert distance(seen, reference) <= PARAMS.duplicate_radius


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "YCbCr", "RGBA", "LA", "1", "I;16"])
def test_every_kind_of_pixel_is_read(mode: str) -> None:
    image = photograph(1)
    if mode == "I;16":
        odd = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        odd = image.convert(mode)
    data = encode(odd, "JPEG" if mode in ("CMYK", "YCbCr") else "PNG")
    assert fault(data) is None
    if mode != "1":
        assert distance(look(data), look(encode(image))) <= PARAMS.duplicate_radius


@pytest.mark.parametrize(
    ("kind", "white"),
    [
        *((np.uint16, white) for white in (255, 4095, 65535)),
        *((np.int32, white) for white in (255, 65535, 1e9)),
        *((np.float32, white) for white in (1, 255, 65535, 1e9)),
    ],
)
def test_grey_of_any_depth_is_read(kind: type[np.generic], white: float) -> None:
    image = ImageOps.autocontrast(photograph(1, width=400, height=400).convert("L"))
    levels = np.asarray(image) / 255 * white
    data = encode(Image.fromarray(levels.astype(kind)), "TIFF")
    assert fault(data) is None
    assert distance(look(data), look(encode(image))) <= PARAMS.duplicate_radius


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("level", [0, 200, 40_000])
def test_grey_of_any_depth_can_be_blank(kind: type[np.generic], level: int) -> None:
    noise = np.random.default_rng(0).integers(0, 3, (400, 400))
    assert fault(encode(Image.fromarray((level + noise).astype(kind)), "TIFF")) == "blank"


def test_a_float_that_is_no_number_does_no_harm() -> None:
    levels = np.asarray(photograph(1).convert("L")).astype(np.float32)
    levels[0, :4] = np.nan, np.inf, -np.inf, 3
    assert fault(encode(Image.fromarray(levels), "TIFF")) is None


def test_only_the_first_frame_of_an_animation_counts() -> None:
    first, second = photograph(1).quantize(), photograph(2).quantize()
    moving = encode(first, "GIF", save_all=True, append_images=[second])
    assert distance(look(moving), look(encode(first, "GIF"))) == 0


def test_transparency_is_seen_on_white() -> None:
    clear = photograph(1).convert("RGBA")
    clear.putalpha(0)
    assert fault(encode(clear, "PNG")) == "blank"
    palette = Image.new("P", (400, 400))
    palette.putpalette([0, 0, 0, 255, 255, 255])
    assert fault(encode(palette, "PNG", transparency=0)) == "blank"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("percent", CUTS)
def test_a_jpeg_cut_anywhere_is_corrupt(progressive: bool, percent: int) -> None:
    whole = whole_file("JPEG", quality=88, progressive=progressive)
    assert fault(whole) is None
    cut = whole[: len(whole) * percent // 100]
    zeros = bytes(len(whole) - len(cut))
    found = {
        "short": fault(cut),
        "closed again": fault(cut + b"\xff\xd9"),
        "filled with zeros": fault(cut + zeros),
        "filled and closed": fault(cut + zeros[2:] + b"\xff\xd9"),
    }
    assert set(found.values()) == {"corrupt"}, found


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("percent", CUTS)
def test_any_other_image_cut_anywhere_is_corrupt(kind: str, percent: int) -> None:
    whole = whole_file(kind)
    assert fault(whole[: len(whole) * percent // 100]) == "corrupt"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("percent", CUTS)
def test_an_image_whose_end_is_zeros_is_corrupt(kind: str, percent: int) -> None:
    whole = whole_file(kind)
    cut = whole[: len(whole) * percent // 100]
    assert fault(cut + bytes(len(whole) - len(cut))) == "corrupt"


@pytest.mark.parametrize("colour", ["white", "black", "grey"])
@pytest.mark.parametrize("margin", [0.03, 0.4])
@pytest.mark.parametrize(("side", "quality", "method"), [(400, 100, 0), (800, 10, 4), (1200, 80, 4), (1200, 100, 0)])
def test_a_webp_with_a_flat_margin_is_whole(side: int, quality: int, method: int, margin: float, colour: str) -> None:
    data = encode(with_margins(side, margin, colour=colour), "WEBP", quality=quality, method=method)
    assert fault(data) is None


def test_a_flat_margin_ends_in_many_zeros() -> None:
    assert encode(with_margins(1600, 0.4), "WEBP", quality=100, method=0).endswith(bytes(64))


@pytest.mark.parametrize("options", [{}, {"quality": 10}, {"quality": 100, "method": 0}, {"icc_profile": b"none"}])
@pytest.mark.parametrize("margin", [0.03, 0.1])
def test_a_webp_with_a_flat_margin_and_lost_data_is_corrupt(margin: float, options: dict[str, object]) -> None:
    whole = encode(with_margins(800, margin), "WEBP", **options)
    cuts = [whole[: len(whole) * percent // 100] for percent in range(5, 85, 10)]
    assert {fault(cut + bytes(len(whole) - len(cut))) for cut in cuts} == {"corrupt"}
    assert fault(whole) is None


def test_lost_data_before_the_exif_of_a_webp_is_corrupt() -> None:
    whole = encode(with_margins(400, 0.1), "WEBP", exif=_exif(1))
    cut = whole[: len(whole) // 2]
    assert fault(cut + bytes(len(whole) - len(cut))) == "corrupt"


def test_zeros_at_the_end_of_the_exif_of_a_webp_do_no_harm() -> None:
    data = encode(photograph(1), "WEBP", exif=_exif(1).tobytes() + bytes(200))
    assert data.endswith(bytes(200))
    assert fault(data) is None


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"<!doctype html><p>Moved", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_corrupt(data: bytes) -> None:
    seen = look(data)
    assert (seen.refusal, seen.width, seen.fingerprint) == ("corrupt", None, None)
    assert len(seen.digest) == 16


def test_bytes_after_the_end_of_a_jpeg_do_no_harm() -> None:
    assert fault(encode(photograph(1)) + bytes(4096)) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_too_many_pixels_are_refused_by_the_header_alone(kind: str) -> None:
    whole = encode(Image.new("L", (2000, 1000)), kind)
    # TIFF keeps its header at the end, and of WebP nothing is read before all of it is there.
    seen = look(whole if kind in ("TIFF", "WEBP") else whole[:-100], CleanParams(max_megapixels=1.9))
    assert (seen.refusal, seen.width, seen.height) == ("large", 2000, 1000)


def test_more_pixels_than_pillow_opens_are_refused() -> None:
    assert fault(encode(Image.new("1", (14_000, 14_000)), "PNG")) == "large"


def test_a_jpeg_of_thousands_of_scans_is_not_decoded() -> None:
    whole = encode(photograph(1), progressive=True)
    start = whole.rindex(b"\xff\xda")
    bomb = whole[:start] + whole[start:-2] * 600 + whole[-2:]
    assert fault(bomb) == "corrupt"


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (299, 800)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_short_side_makes_an_image_small(size: tuple[int, int], kind: str) -> None:
    data = encode(photograph(1, width=size[0], height=size[1]), kind)
    seen = look(data)
    assert (fault(data), seen.width, seen.height) == ("small", *size)


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("colour", ["white", "black", "#e8d0d0", "#c01030"])
def test_an_image_of_one_colour_is_blank(colour: str, quality: int) -> None:
    plain = np.full((400, 400, 3), Image.new("RGB", (1, 1), colour).getpixel((0, 0)), dtype=np.int16)
    noisy = (plain + np.random.default_rng(0).integers(-3, 4, plain.shape)).clip(0, 255).astype(np.uint8)
    assert fault(encode(Image.fromarray(plain.astype(np.uint8)), quality=quality)) == "blank"
    assert fault(encode(Image.fromarray(noisy), quality=quality)) == "blank"


def test_a_pale_product_on_white_is_kept() -> None:
    image = Image.new("RGB", (800, 800), "white")
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((260, 120, 540, 700), radius=40, fill="#f1eee8", outline="#d8d2c8", width=4)
    for top in range(330, 560, 30):
        pen.text((300, top), "gentle cream, fragrance free", fill="#8a8478", font_size=18)
    assert fault(encode(image, quality=85)) is None


@pytest.mark.parametrize("side", [336, 800, 1600])
def test_sharp_and_blurred_are_told_apart_at_any_size(side: int) -> None:
    sharp = photograph(3, width=1600, height=1600)
    blurred = sharp.filter(ImageFilter.GaussianBlur(1600 * 0.016))
    assert fault(encode(sharp.resize((side, side), Image.Resampling.LANCZOS))) is None
    assert fault(encode(blurred.resize((side, side), Image.Resampling.LANCZOS))) == "blurred"


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
    assert fault(broken) is None


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
