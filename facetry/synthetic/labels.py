"""Labels: a patch of paper with the brand's name, its motif, and a sign of what is inside."""

import math
from collections.abc import Callable

from facetry.synthetic.canvas import Canvas, arc, smooth
from facetry.synthetic.colours import Colour, distance, ink_on, mix
from facetry.synthetic.product import Product


def wrapped_label(
    canvas: Canvas, product: Product, *, top: float, bottom: float, radius: float, bottom_radius: float | None = None
) -> None:
    """A label around a round body between two heights; a motif, the sign, and the name under it."""
    brand = product.brand
    paper = label_paper(product)
    below = radius if bottom_radius is None else bottom_radius
    reach = {"band": 1.0, "patch": 0.8, "round": 0.68}[brand.label]
    lift = canvas.view.tilt * radius
    canvas.turned([(top, radius), (bottom, below)], paper, gloss=0.05, span=(-reach, reach))
    if brand.motif == "stripe":
        edge = top + (bottom - top) * 0.16
        canvas.turned([(top, radius), (edge, radius)], brand.accent, gloss=0.05, span=(-reach, reach))
    if brand.motif == "frame":
        for height in (top + 0.02, bottom - 0.045):
            canvas.turned([(height, radius), (height + 0.025, radius)], brand.accent, gloss=0.0, span=(-reach, reach))
    margin = 0.07 if brand.motif == "frame" else 0.0
    flat_label(
        canvas,
        product,
        0.0,
        top + lift + margin / 2,
        bottom + lift - margin,
        width=2 * radius * reach * 0.85,
        ink=ink_on(paper),
    )


def flat_label(
    canvas: Canvas, product: Product, x: float, top: float, bottom: float, *, width: float, ink: Colour
) -> None:
    """The sign and the brand's name, one above the other, between two heights."""
    brand = product.brand
    height = bottom - top
    accent = brand.accent if distance(brand.accent, label_paper(product)) > 90 else ink
    if brand.has_icons:
        size = min(height * 0.3, width * 0.42)
        draw_icon(canvas, product.category, x, top + height * 0.40, size, accent)
        canvas.text(brand.lettering, x, top + height * 0.82, height=height * 0.17, width=width * 0.86, colour=ink)
    else:
        canvas.text(brand.lettering, x, top + height * 0.42, height=height * 0.24, width=width * 0.9, colour=ink)
        canvas.line(
            [(x - width * 0.25, top + height * 0.68), (x + width * 0.25, top + height * 0.68)], accent, width=0.02
        )
    if brand.motif == "corner":
        canvas.dot(x - width * 0.38, top + height * 0.16, min(0.05, height * 0.08), brand.accent)
    if brand.motif == "medal":
        canvas.dot(x + width * 0.38, top + height * 0.2, min(0.09, height * 0.14), brand.accent)


def label_paper(product: Product) -> Colour:
    """The brand's paper, or a darker one where it would vanish on the product."""
    paper = product.brand.paper
    return paper if distance(paper, product.tone) > 70 else mix(paper, product.brand.accent, 0.55)


def draw_icon(canvas: Canvas, category: str, x: float, y: float, size: float, colour: Colour) -> None:
    """The sign of a category, `size` from its middle to its rim; nothing for a category without one."""
    icon = _ICONS.get(category)
    if icon is not None:
        icon(canvas, x, y, size, colour)


def _drop(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    rim = arc(x, y + size * 0.3, size * 0.65, size * 0.65, -30, 210)
    canvas.polygon([(x, y - size), *rim], colour)


def _dots(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    for column in (-1, 0, 1):
        for row in (-1, 0, 1):
            canvas.dot(x + column * size * 0.62, y + row * size * 0.62, size * 0.22, colour)


def _eye(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    lids = [(x - 1.25 * size, y), (x - 0.5 * size, y - 0.55 * size), (x + 0.5 * size, y - 0.55 * size)]
    under = [(x + 1.25 * size, y), (x + 0.5 * size, y + 0.55 * size), (x - 0.5 * size, y + 0.55 * size)]
    canvas.polygon(smooth([*lids, *under, lids[0]]), colour)
    canvas.dot(x, y, size * 0.42, (250, 250, 248))
    canvas.dot(x, y, size * 0.22, (40, 40, 46))


def _bubbles(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    for across, down, radius in ((-0.35, 0.3, 0.55), (0.5, 0.1, 0.4), (0.05, -0.65, 0.3)):
        canvas.dot(x + across * size, y + down * size, radius * size, colour)
        canvas.dot(x + (across - 0.12) * size, y + (down - 0.1) * size, radius * size * 0.4, (250, 250, 248))


def _waves(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    for row in (-0.55, 0.0, 0.55):
        points = [(x + step / 8 * size, y + row * size + math.sin(step * 0.9) * size * 0.16) for step in range(-8, 9)]
        canvas.line(points, colour, width=size * 0.2)


def _shower(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    canvas.polygon(arc(x, y - size * 0.2, size * 0.9, size * 0.7, 180, 360), colour)
    for column in (-0.55, 0.0, 0.55):
        canvas.line(
            [(x + column * size, y + 0.1 * size), (x + column * size, y + 0.9 * size)], colour, width=size * 0.18
        )


def _leaf(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    side = [(x, y + size), (x - 0.6 * size, y + 0.1 * size), (x - 0.35 * size, y - 0.6 * size), (x, y - size)]
    other = [(x + 0.35 * size, y - 0.6 * size), (x + 0.6 * size, y + 0.1 * size), (x, y + size)]
    canvas.polygon(smooth([*side, *other]), colour)
    canvas.line([(x, y + 1.2 * size), (x, y - 0.4 * size)], mix(colour, (255, 255, 255), 0.6), width=size * 0.12)


def _star(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    turns = [(step, size if step % 2 == 0 else size * 0.4) for step in range(10)]
    angles = [(math.radians(36 * step - 90), radius) for step, radius in turns]
    canvas.polygon([(x + math.cos(angle) * radius, y + math.sin(angle) * radius) for angle, radius in angles], colour)


def _cross(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    canvas.polygon(
        [
            (x - size * 0.28, y - size),
            (x + size * 0.28, y - size),
            (x + size * 0.28, y + size),
            (x - size * 0.28, y + size),
        ],
        colour,
    )
    canvas.polygon(
        [
            (x - size, y - size * 0.28),
            (x + size, y - size * 0.28),
            (x + size, y + size * 0.28),
            (x - size, y + size * 0.28),
        ],
        colour,
    )


def _cloud(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    for across, down, radius in ((-0.55, 0.15, 0.42), (0.0, -0.15, 0.55), (0.6, 0.15, 0.4)):
        canvas.dot(x + across * size, y + down * size, radius * size, colour)
    canvas.rounded(x - 0.95 * size, y + 0.1 * size, x + size, y + 0.56 * size, colour, radius=0.22 * size)


_ICONS: dict[str, Callable[[Canvas, float, float, float, Colour], None]] = {
    "Moisturiser": _cloud,
    "Exfoliator": _dots,
    "Bath Salts": _waves,
    "Body Wash": _shower,
    "Eye Care": _eye,
    "Cleanser": _bubbles,
    "Bath Oil": _waves,
    "Serum": _drop,
    "Toner": _cross,
    "Balm": _leaf,
    "Peel": _star,
    "Oil": _drop,
}
