"""Drawing in a product's own coordinates: x and y from -1 to 1, y downwards, seen a little from above."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from facetry.synthetic.colours import Colour, lit, mix

Point = tuple[float, float]

BAND_EDGES = (-1.0, -0.97, -0.88, -0.72, -0.5, -0.26, 0.02, 0.32, 0.58, 0.78, 0.92, 0.98, 1.0)
GLOSS_BAND = 3
LETTER_HEIGHT = 40


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera stands: the turn of the product, its size and place on the picture,
    the side of the light (1 for left, -1 for right), and -1 where left and right are swapped."""

    centre_x: float
    centre_y: float
    scale: float
    angle: float
    tilt: float
    light: int
    mirror: int


class Canvas:
    """An RGB picture with a pen that turns and scales as the view asks."""

    def __init__(self, image: Image.Image, view: View) -> None:
        self.image = image
        self.view = view
        self._draw = ImageDraw.Draw(image)
        self._cos = math.cos(view.angle) * view.scale
        self._sin = math.sin(view.angle) * view.scale

    def place(self, x: float, y: float) -> Point:
        """The pixel at the product's point (x, y)."""
        view = self.view
        x *= view.mirror
        return view.centre_x + x * self._cos - y * self._sin, view.centre_y + x * self._sin + y * self._cos

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self._draw.polygon([self.place(x, y) for x, y in points], fill=colour)

    def line(self, points: Sequence[Point], colour: Colour, *, width: float) -> None:
        pixels = max(1, round(width * self.view.scale))
        self._draw.line([self.place(x, y) for x, y in points], fill=colour, width=pixels, joint="curve")

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        centre_x, centre_y = self.place(x, y)
        pixels = radius * self.view.scale
        box = (centre_x - pixels, centre_y - pixels, centre_x + pixels, centre_y + pixels)
        self._draw.ellipse(box, fill=colour)

    def ellipse(self, x: float, y: float, radius_x: float, radius_y: float, colour: Colour) -> None:
        self.polygon(arc(x, y, radius_x, radius_y, 0, 360, steps=36), colour)

    def disc(self, y: float, radius: float, colour: Colour, *, x: float = 0.0) -> None:
        """A level disc, seen at the view's tilt."""
        self.ellipse(x, y, radius, radius * self.view.tilt, colour)

    def rounded(self, left: float, top: float, right: float, bottom: float, colour: Colour, *, radius: float) -> None:
        self.polygon(rounded_box(left, top, right, bottom, radius=radius), colour)

    def turned(
        self,
        profile: Sequence[Point],
        colour: Colour,
        *,
        x: float = 0.0,
        gloss: float = 0.25,
        span: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        """A body turned on a lathe: `profile` lists (y, radius) downwards. `span` keeps part of its front, -1 to 1."""
        edges = [span[0], *(edge for edge in BAND_EDGES if span[0] < edge < span[1]), span[1]]
        for left, right in pairwise(edges):
            middle = (left + right) / 2
            self.polygon(
                self._strip(profile, left, right, x=x),
                lit_at(middle * self.view.light * self.view.mirror, colour, gloss=gloss),
            )

    def text(self, words: str, x: float, y: float, *, height: float, width: float, colour: Colour) -> None:
        """`words` centred at (x, y), at most `height` high and `width` wide, turned as the product is."""
        mask = letters(words)
        scale = min(height * self.view.scale / mask.height, width * self.view.scale / mask.width)
        if scale * mask.height < 6:
            return
        size = (max(1, round(mask.width * scale)), max(1, round(mask.height * scale)))
        turned = mask.resize(size, Image.Resampling.BILINEAR)
        if abs(self.view.angle) > 0.005:
            turned = turned.rotate(-math.degrees(self.view.angle), Image.Resampling.BILINEAR, expand=True)
        centre_x, centre_y = self.place(x, y)
        self.image.paste(colour, (round(centre_x - turned.width / 2), round(centre_y - turned.height / 2)), turned)

    def _strip(self, profile: Sequence[Point], left: float, right: float, *, x: float) -> list[Point]:
        lift_left = self.view.tilt * math.sqrt(max(0.0, 1 - left * left))
        lift_right = self.view.tilt * math.sqrt(max(0.0, 1 - right * right))
        down = [(x + left * radius, y + lift_left * radius) for y, radius in profile]
        back = [(x + right * radius, y + lift_right * radius) for y, radius in reversed(profile)]
        return down + back


def lit_at(position: float, colour: Colour, *, gloss: float) -> Colour:
    """`colour` on a round body at `position` from its lit edge (-1) to its dark one (1)."""
    facing = 1.04 - 0.42 * max(0.0, position + 0.25) ** 1.5 - 0.5 * max(0.0, -position - 0.72) ** 1.2
    shade = lit(colour, facing)
    return mix(shade, (255, 255, 255), gloss) if -0.72 < position < -0.45 else shade


@lru_cache(maxsize=4096)
def letters(words: str) -> Image.Image:
    """A mask of `words` in the one typeface that every machine has."""
    font = ImageFont.load_default(LETTER_HEIGHT)
    left, top, right, bottom = font.getbbox(words or " ", stroke_width=1)
    mask = Image.new("L", (max(1, round(right - left)), max(1, round(bottom - top))), 0)
    ImageDraw.Draw(mask).text((-left, -top), words, fill=255, font=font, stroke_width=1)
    return mask


def arc(
    x: float, y: float, radius_x: float, radius_y: float, start: float, end: float, *, steps: int = 18
) -> list[Point]:
    """Points along an ellipse from `start` to `end` degrees, clockwise from the right."""
    return [
        (x + radius_x * math.cos(angle), y + radius_y * math.sin(angle))
        for angle in (math.radians(start + (end - start) * step / steps) for step in range(steps + 1))
    ]


def rounded_box(left: float, top: float, right: float, bottom: float, *, radius: float) -> list[Point]:
    """The outline of a box with round corners."""
    radius = min(radius, (right - left) / 2, (bottom - top) / 2)
    return [
        *arc(right - radius, top + radius, radius, radius, -90, 0, steps=5),
        *arc(right - radius, bottom - radius, radius, radius, 0, 90, steps=5),
        *arc(left + radius, bottom - radius, radius, radius, 90, 180, steps=5),
        *arc(left + radius, top + radius, radius, radius, 180, 270, steps=5),
    ]


def smooth(points: Sequence[Point], *, steps: int = 5) -> list[Point]:
    """A curve through `points` (Catmull-Rom)."""
    padded = [points[0], *points, points[-1]]
    spans = zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    curve = [_between(*span, at=step / steps) for span in spans for step in range(steps)]
    return [*curve, points[-1]]


def _between(before: Point, start: Point, end: Point, after: Point, at: float) -> Point:
    def axis(index: int) -> float:
        p, q, r, s = before[index], start[index], end[index], after[index]
        return 0.5 * (2 * q + (r - p) * at + (2 * p - 5 * q + 4 * r - s) * at**2 + (3 * q - p - 3 * r + s) * at**3)

    return axis(0), axis(1)
