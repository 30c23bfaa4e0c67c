"""What stands behind a product: a brand's own wall and floor, its shadow, and the light in the room."""

from functools import lru_cache
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from facetry.synthetic.brands import Brand
from facetry.synthetic.canvas import View
from facetry.synthetic.colours import Colour, brightness, distance, lit, mix

COARSE_SIDE = 56
SOFTNESS = 1.1
LIGHT_SIDE = 5
GRAIN_SIDE = 1024
GRAIN_DEVIATION = 4.6


def backdrop(
    brand: Brand, *, view: View, side: int, enlargement: int, tone: Colour, is_flat: bool, random: Random
) -> Image.Image:
    """The scene without its product, whose tone it keeps clear of, `side` pixels wide and high after enlarging."""
    wall = _clear_of(tone, brand.backdrop_tone, random=random)
    floor = lit(wall, random.uniform(0.84, 0.93))
    scene = _coarse_scene(brand.backdrop, wall, floor, view=view, side=side, is_flat=is_flat, random=random)
    small = scene.resize((side // enlargement, side // enlargement), Image.Resampling.BICUBIC)
    image = small.resize((side, side), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(image)
    if brand.backdrop == "terrazzo":
        _terrazzo(pen, wall, brand.accent, side=side, random=random)
    elif brand.backdrop == "planks":
        _planks(pen, floor, side=side, random=random)
    elif brand.backdrop == "stripes":
        _stripes(pen, floor, side=side, random=random)
    return image


def room_light(image: Image.Image, *, random: Random) -> Image.Image:
    """`image` under soft, uneven light of its own, with a camera's grain."""
    levels = bytes(random.randrange(218, 256) for _ in range(LIGHT_SIDE * LIGHT_SIDE))
    coarse = Image.frombytes("L", (LIGHT_SIDE, LIGHT_SIDE), levels)
    light = coarse.resize(image.size, Image.Resampling.BICUBIC)
    bright = ImageChops.multiply(image, Image.merge("RGB", (light, light, light)))
    left, top = random.randrange(GRAIN_SIDE), random.randrange(GRAIN_SIDE)
    return ImageChops.add(bright, ImageChops.offset(_grain(image.size), left, top), 1, -128)


@lru_cache(maxsize=4)
def _grain(size: tuple[int, int]) -> Image.Image:
    noise = np.random.default_rng(0).normal(128, GRAIN_DEVIATION, (size[1], size[0]))
    grey = Image.fromarray(noise.round().clip(0, 255).astype(np.uint8))
    return Image.merge("RGB", (grey, grey, grey))


def _clear_of(tone: Colour, wall: Colour, *, random: Random) -> Colour:
    shifted = mix(wall, (255, 255, 255), random.uniform(0.0, 0.25))
    if distance(shifted, tone) > 95:
        return shifted
    return lit(shifted, 0.6) if brightness(tone) > 150 else mix(shifted, (255, 255, 255), 0.55)


def _coarse_scene(
    style: str, wall: Colour, floor: Colour, *, view: View, side: int, is_flat: bool, random: Random
) -> Image.Image:
    """Wall, floor and shadow on a few pixels: enlarging them makes the soft edges."""
    unit = COARSE_SIDE / side
    image = Image.new("RGB", (COARSE_SIDE, COARSE_SIDE), wall)
    pen = ImageDraw.Draw(image)
    x, y, reach = view.centre_x * unit, view.centre_y * unit, view.scale * unit
    horizon = y + reach * random.uniform(0.35, 0.7)
    if style in ("studio", "arch", "planks") and not is_flat:
        pen.rectangle((0, horizon, COARSE_SIDE, COARSE_SIDE), fill=floor)
    if style == "split":
        cut = random.uniform(0.2, 0.8) * COARSE_SIDE
        pen.polygon(
            [(cut, 0), (COARSE_SIDE, 0), (COARSE_SIDE, COARSE_SIDE), (COARSE_SIDE - cut, COARSE_SIDE)], fill=floor
        )
    if style in ("glow", "studio"):
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=lit(wall, 1.22))
    if style == "arch":
        pen.ellipse((x - reach * 0.8, y - reach * 1.1, x + reach * 0.8, y + reach * 0.5), fill=lit(wall, 1.3))
        pen.rectangle((x - reach * 0.8, y - reach * 0.3, x + reach * 0.8, horizon), fill=lit(wall, 1.3))
    slide = view.light * reach * 0.14
    if is_flat:
        pen.ellipse(
            (x - reach * 0.7 + slide, y - reach * 0.8, x + reach * 0.7 + slide, y + reach * 1.0), fill=lit(wall, 0.8)
        )
    else:
        pen.ellipse(
            (x - reach * 0.9 + slide, y + reach * 0.72, x + reach * 0.9 + slide, y + reach * 1.08),
            fill=lit(floor, 0.72),
        )
    return image.filter(ImageFilter.GaussianBlur(SOFTNESS))


def _terrazzo(pen: ImageDraw.ImageDraw, wall: Colour, accent: Colour, *, side: int, random: Random) -> None:
    shades = (mix(wall, accent, 0.25), lit(wall, 0.88), lit(wall, 1.25))
    for _ in range(34):
        x, y, size = random.uniform(0, side), random.uniform(0, side), random.uniform(0.008, 0.022) * side
        corners = [(x + random.uniform(-1, 1) * size, y + random.uniform(-1, 1) * size) for _ in range(4)]
        pen.polygon(corners, fill=random.choice(shades))


def _planks(pen: ImageDraw.ImageDraw, floor: Colour, *, side: int, random: Random) -> None:
    step, offset = side * random.uniform(0.14, 0.2), random.uniform(0, 0.15) * side
    for number in range(8):
        height = offset + number * step
        pen.line((0, height, side, height), fill=lit(floor, 0.85), width=max(1, side // 160))


def _stripes(pen: ImageDraw.ImageDraw, floor: Colour, *, side: int, random: Random) -> None:
    step, offset, lean = (
        side * random.uniform(0.13, 0.18),
        random.uniform(-0.2, 0) * side,
        random.uniform(-0.1, 0.1) * side,
    )
    for number in range(0, 12, 2):
        left = offset + number * step
        pen.polygon([(left, 0), (left + step, 0), (left + step + lean, side), (left + lean, side)], fill=floor)
