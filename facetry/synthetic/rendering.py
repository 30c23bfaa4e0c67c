"""From a product to a picture of it."""

from collections.abc import Callable, Mapping
from random import Random

from PIL import Image

from facetry.synthetic.backdrops import backdrop, room_light
from facetry.synthetic.canvas import Canvas, View
from facetry.synthetic.product import Product
from facetry.synthetic.shapes_bath import BATH_SHAPES
from facetry.synthetic.shapes_clothing import CLOTHING_SHAPES
from facetry.synthetic.shapes_cookware import COOKWARE_SHAPES
from facetry.synthetic.shapes_skincare import SKINCARE_SHAPES

SUPERSAMPLING = 2
SHAPES: Mapping[str, Callable[[Canvas, Product], None]] = {
    **SKINCARE_SHAPES,
    **BATH_SHAPES,
    **COOKWARE_SHAPES,
    **CLOTHING_SHAPES,
}
SEEN_FROM_ABOVE = frozenset({"Mask", "Frying Pan", *CLOTHING_SHAPES})


def photograph(product: Product, *, view_number: int, side: int, random: Random) -> Image.Image:
    """A picture of `product`, `side` pixels wide and high: the hero for view 0, another angle for each view after."""
    drawn_side = side * SUPERSAMPLING
    view = _choose_view(view_number, side=drawn_side, random=random)
    is_flat = product.category in SEEN_FROM_ABOVE
    image = backdrop(
        product.brand,
        view=view,
        side=drawn_side,
        enlargement=SUPERSAMPLING,
        tone=product.tone,
        is_flat=is_flat,
        random=random,
    )
    SHAPES[product.category](Canvas(image, view), product)
    return room_light(image.reduce(SUPERSAMPLING), random=random)


def _choose_view(view_number: int, *, side: int, random: Random) -> View:
    is_hero = view_number == 0
    fill = random.uniform(0.70, 0.88) if is_hero else random.uniform(0.66, 0.98)
    turn = 0.1 if is_hero else 0.16
    slack = (1 - fill) * 0.3
    return View(
        centre_x=side * (0.5 + random.uniform(-slack, slack)),
        centre_y=side * (0.5 + random.uniform(-slack, slack)),
        scale=side * fill / 2,
        angle=random.uniform(-turn, turn),
        tilt=random.uniform(0.12, 0.24),
        light=random.choice((-1, 1)),
        mirror=1 if random.random() < 0.6 else -1,
    )
