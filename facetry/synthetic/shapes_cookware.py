"""Pots and pans, with or without a lid, with one long handle or two loops."""

from facetry.synthetic.canvas import Canvas, Point, arc, smooth
from facetry.synthetic.colours import INK, STEEL, WHITE, WOOD, Colour, ink_on, lit, mix
from facetry.synthetic.product import Product


def saucepan(canvas: Canvas, product: Product) -> None:
    """A deep, straight pot of steel."""
    radius, top, bottom = 0.56, -0.3, 0.72
    steel = mix(STEEL, product.tone, 0.12)
    x = -0.36 if product.attributes["handle"] == "one" else 0.0
    _handles(canvas, product, x=x, radius=radius, height=top + 0.2)
    canvas.turned([(top, radius), (bottom - 0.05, radius), (bottom, radius - 0.05)], steel, x=x, gloss=0.6)
    canvas.turned([(bottom - 0.22, radius), (bottom - 0.17, radius)], product.tone, x=x)
    _stamp(canvas, product, x=x, y=0.24, width=0.8, metal=steel)
    for height in (top + 0.16, bottom - 0.28, bottom - 0.31):
        canvas.turned([(height, radius), (height + 0.012, radius)], lit(steel, 0.62), x=x, gloss=0.0)
    _opening(canvas, product, x=x, height=top, radius=radius, metal=steel)


def frying_pan(canvas: Canvas, product: Product) -> None:
    """A wide, flat pan seen from above."""
    one = product.attributes["handle"] == "one"
    x, y, radius = (-0.3, 0.22, 0.68) if one else (0.0, 0.0, 0.74)
    grip = _grip(product)
    if one:
        canvas.line([(x + 0.4, y - 0.4), (0.94, -0.94)], lit(grip, 0.8), width=0.2)
        canvas.line([(x + 0.62, y - 0.62), (0.94, -0.94)], grip, width=0.15)
        canvas.dot(0.86, -0.86, 0.04, WHITE)
    else:
        for side in (-1, 1):
            canvas.line(
                [(side * 0.6, -0.22), (side * 0.94, -0.17), (side * 0.94, 0.17), (side * 0.6, 0.22)], grip, width=0.1
            )
    canvas.ellipse(x, y + 0.05, radius, radius, lit(product.tone, 0.6))
    canvas.ellipse(x, y, radius, radius, lit(product.tone, 1.1))
    canvas.ellipse(x, y, radius - 0.08, radius - 0.08, (66, 66, 72))
    canvas.ellipse(x, y + 0.03, radius - 0.2, radius - 0.2, (88, 88, 95))
    for step in range(3):
        reach = radius - 0.28 - 0.12 * step
        canvas.line(arc(x, y + 0.03, reach, reach, 200, 250), (128, 128, 136), width=0.025)
    if product.attributes["lid"] == "yes":
        _glass_lid_from_above(canvas, x=x, y=y, radius=radius - 0.04)


def _glass_lid_from_above(canvas: Canvas, *, x: float, y: float, radius: float) -> None:
    canvas.ellipse(x, y, radius, radius, (150, 156, 162))
    canvas.ellipse(x, y, radius - 0.07, radius - 0.07, (186, 202, 208))
    canvas.polygon(
        [*arc(x, y, radius - 0.14, radius - 0.14, 190, 260), *arc(x, y, 0.24, 0.24, 260, 190)], (236, 242, 244)
    )
    canvas.ellipse(x, y, 0.17, 0.17, INK)
    canvas.ellipse(x - 0.04, y - 0.05, 0.07, 0.07, (120, 120, 128))


def casserole(canvas: Canvas, product: Product) -> None:
    """A broad, low pot of enamelled iron with rounded sides and feet."""
    radius, top, bottom = 0.74, -0.02, 0.7
    x = -0.2 if product.attributes["handle"] == "one" else 0.0
    _handles(canvas, product, x=x, radius=radius, height=top + 0.16, short=True)
    for side in (-0.45, 0.45):
        canvas.polygon(
            [
                (x + side - 0.1, bottom),
                (x + side + 0.1, bottom),
                (x + side + 0.06, bottom + 0.22),
                (x + side - 0.06, bottom + 0.22),
            ],
            lit(product.tone, 0.6),
        )
    canvas.turned(
        [(top, radius), (top + 0.3, radius), (bottom - 0.14, radius - 0.08), (bottom, radius - 0.26)],
        product.tone,
        x=x,
        gloss=0.4,
    )
    canvas.turned([(top, radius + 0.02), (top + 0.07, radius + 0.02)], lit(product.tone, 1.2), x=x)
    _opening(canvas, product, x=x, height=top, radius=radius, metal=product.tone)
    _stamp(canvas, product, x=x, y=0.4, width=0.9, metal=product.tone)


def wok(canvas: Canvas, product: Product) -> None:
    """A round-bottomed bowl of dark iron, far wider than deep."""
    one = product.attributes["handle"] == "one"
    x, radius, top = (-0.26, 0.7, 0.16) if one else (0.0, 0.76, 0.16)
    iron = mix((74, 74, 80), product.tone, 0.25)
    if one:
        canvas.line([(x + radius - 0.1, top + 0.02), (0.98, -0.2)], WOOD, width=0.13)
    else:
        _loops(canvas, x=x, radius=radius, height=top, colour=WOOD)
    canvas.polygon(arc(x, top, radius, 0.62, 0, 180, steps=24), iron)
    canvas.polygon([*arc(x, top, radius, 0.62, 20, 80), *arc(x, top, radius * 0.8, 0.62, 80, 20)], lit(iron, 0.75))
    canvas.polygon(
        [*arc(x, top, radius * 0.92, 0.56, 110, 160), *arc(x, top, radius * 0.8, 0.5, 160, 110)], lit(iron, 1.3)
    )
    _opening(canvas, product, x=x, height=top, radius=radius, metal=iron)
    _stamp(canvas, product, x=x, y=top + 0.36, width=0.8, metal=iron)
    canvas.line(arc(x, top, radius - 0.01, 0.6, 4, 176, steps=24), lit(iron, 0.55), width=0.014)


def _stamp(canvas: Canvas, product: Product, *, x: float, y: float, width: float, metal: Colour) -> None:
    """The maker's name, pressed into the metal, between two rivets."""
    canvas.text(product.brand.lettering, x, y, height=0.11, width=width * 0.7, colour=mix(metal, ink_on(metal), 0.7))
    for side in (-0.5, 0.5):
        canvas.dot(x + side * width, y, 0.028, mix(metal, ink_on(metal), 0.6))
        canvas.dot(x + side * width - 0.008, y - 0.008, 0.014, lit(metal, 1.5))


def _opening(canvas: Canvas, product: Product, *, x: float, height: float, radius: float, metal: Colour) -> None:
    """The rim and the inside of a pot, or the lid on it."""
    if product.attributes["lid"] == "no":
        canvas.disc(height, radius + 0.03, lit(metal, 1.35), x=x)
        canvas.disc(height + 0.01, radius - 0.05, lit(metal, 0.62), x=x)
        canvas.disc(height + 0.07, radius - 0.16, lit(metal, 0.78), x=x)
        return
    dome = [
        (height - 0.3, 0.12),
        (height - 0.24, radius * 0.62),
        (height - 0.1, radius * 0.94),
        (height, radius + 0.04),
    ]
    canvas.turned(dome, mix(metal, STEEL, 0.25), x=x, gloss=0.5)
    knob = _grip(product)
    canvas.turned([(height - 0.46, 0.06), (height - 0.28, 0.08)], lit(knob, 0.8), x=x)
    canvas.turned([(height - 0.54, 0.1), (height - 0.48, 0.17), (height - 0.42, 0.12)], knob, x=x, gloss=0.4)


def _handles(canvas: Canvas, product: Product, *, x: float, radius: float, height: float, short: bool = False) -> None:
    grip = _grip(product)
    if product.attributes["handle"] == "two":
        _loops(canvas, x=x, radius=radius, height=height, colour=grip)
        return
    start, end = x + radius - 0.08, 0.98
    rise = 0.06 if short else 0.16
    shaft: list[Point] = [
        (start, height - 0.06),
        (end, height - rise - 0.08),
        (end, height - rise + 0.1),
        (start, height + 0.09),
    ]
    canvas.polygon(smooth([*shaft, shaft[0]], steps=3), grip)
    canvas.line([(start + 0.08, height - 0.03), (end - 0.06, height - rise - 0.02)], mix(grip, WHITE, 0.35), width=0.03)


def _loops(canvas: Canvas, *, x: float, radius: float, height: float, colour: Colour) -> None:
    for side in (-1, 1):
        near, far = x + side * (radius - 0.06), x + side * (radius + 0.22)
        canvas.line(
            [(near, height - 0.08), (far, height - 0.1), (far, height + 0.12), (near, height + 0.12)],
            colour,
            width=0.09,
        )


def _grip(product: Product) -> Colour:
    cap = product.brand.cap
    return INK if min(cap) > 200 else cap


COOKWARE_SHAPES = {"Saucepan": saucepan, "Frying Pan": frying_pan, "Casserole": casserole, "Wok": wok}
