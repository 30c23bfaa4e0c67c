"""The colours that products come in, and how light changes them."""

import colorsys
from random import Random

Colour = tuple[int, int, int]

PRODUCT_COLOURS: dict[str, Colour] = {
    "white": (244, 242, 238),
    "black": (46, 46, 52),
    "pink": (233, 148, 172),
    "red": (198, 52, 56),
    "orange": (234, 132, 54),
    "yellow": (242, 202, 74),
    "green": (84, 146, 98),
    "blue": (66, 118, 188),
    "purple": (136, 96, 172),
    "brown": (130, 88, 60),
}

WHITE: Colour = (250, 249, 246)
INK: Colour = (38, 38, 44)
STEEL: Colour = (176, 182, 190)
WOOD: Colour = (196, 150, 100)
GLASS: Colour = (222, 232, 234)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with `share` of it replaced by `second`."""
    keep = 1 - share
    return (
        round(first[0] * keep + second[0] * share),
        round(first[1] * keep + second[1] * share),
        round(first[2] * keep + second[2] * share),
    )


def lit(colour: Colour, factor: float) -> Colour:
    """`colour` under `factor` times the light; more than full light goes towards white."""
    if factor > 1:
        return mix(colour, (255, 255, 255), min(1.0, factor - 1))
    return mix((0, 0, 0), colour, max(0.0, factor))


def brightness(colour: Colour) -> float:
    """How light a colour looks, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def distance(first: Colour, second: Colour) -> float:
    """How far apart two colours are, 0 to 441."""
    return float(sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5)


def ink_on(colour: Colour) -> Colour:
    """The ink that can be read on `colour`."""
    return INK if brightness(colour) > 140 else WHITE


def jittered(colour: Colour, random: Random) -> Colour:
    """A neighbour of `colour` that still goes by the same name."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in colour))
    red, green, blue = colorsys.hls_to_rgb(
        (hue + random.uniform(-0.012, 0.012)) % 1,
        min(0.97, max(0.1, lightness + random.uniform(-0.03, 0.03))),
        min(1.0, saturation * random.uniform(0.9, 1.08)),
    )
    return round(red * 255), round(green * 255), round(blue * 255)
