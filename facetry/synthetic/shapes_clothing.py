"""Garments laid flat: the outline tells the garment, the sleeves and the neck tell the rest."""

from dataclasses import dataclass

from facetry.synthetic.canvas import Canvas, Point, arc, smooth
from facetry.synthetic.colours import WHITE, Colour, brightness, distance, lit, mix
from facetry.synthetic.product import Product

NECK = 0.2


@dataclass(frozen=True, slots=True)
class Cut:
    """The measures of a garment: half widths at shoulder, waist and hem, and where each of them lies."""

    shoulder: float
    waist: float
    hem: float
    top: float
    waist_height: float
    bottom: float


def t_shirt(canvas: Canvas, product: Product) -> None:
    """Straight, thin, with a print on the chest."""
    cut = Cut(shoulder=0.5, waist=0.48, hem=0.5, top=-0.78, waist_height=0.1, bottom=0.86)
    _sleeves(canvas, product, cut, flare=0.0)
    _body(canvas, product, cut)
    _print(canvas, product)
    _neck(canvas, product, cut)


def shirt(canvas: Canvas, product: Product) -> None:
    """Buttons down the front, a collar, a pocket and a curved hem."""
    cut = Cut(shoulder=0.5, waist=0.46, hem=0.52, top=-0.78, waist_height=0.1, bottom=0.82)
    _sleeves(canvas, product, cut, flare=0.0, cuff=_trim(product))
    _body(canvas, product, cut)
    canvas.polygon(arc(0, 0.78, 0.52, 0.18, 0, 180), product.tone)
    seam = _trim(product)
    canvas.polygon([(-0.07, -0.7), (0.07, -0.7), (0.07, 0.95), (-0.07, 0.95)], lit(product.tone, 0.88))
    for step in range(6):
        canvas.dot(0, -0.5 + step * 0.26, 0.035, seam)
    canvas.polygon([(0.16, -0.28), (0.4, -0.28), (0.4, -0.02), (0.28, 0.06), (0.16, -0.02)], lit(product.tone, 0.82))
    _neck(canvas, product, cut)


def sweater(canvas: Canvas, product: Product) -> None:
    """Thick and boxy, knitted in rows, with ribbed cuffs and hem."""
    cut = Cut(shoulder=0.56, waist=0.58, hem=0.52, top=-0.76, waist_height=0.3, bottom=0.72)
    rib = lit(product.tone, 0.78)
    _sleeves(canvas, product, cut, flare=0.1, cuff=rib)
    _body(canvas, product, cut)
    second = lit(product.tone, 0.84) if brightness(product.tone) > 90 else lit(product.tone, 1.25)
    for row in range(5):
        height = -0.42 + row * 0.23
        zigzag = [(-0.5 + step / 8, height + 0.07 * (step % 2)) for step in range(9)]
        canvas.line(zigzag, second, width=0.045)
    canvas.rounded(-0.53, 0.68, 0.53, 0.88, rib, radius=0.04)
    for step in range(11):
        canvas.line([(-0.48 + step * 0.096, 0.7), (-0.48 + step * 0.096, 0.86)], lit(rib, 0.8), width=0.025)
    _neck(canvas, product, cut)


def dress(canvas: Canvas, product: Product) -> None:
    """Fitted to the waist, a sash, then a wide skirt."""
    cut = Cut(shoulder=0.34, waist=0.26, hem=0.72, top=-0.9, waist_height=-0.2, bottom=0.94)
    _sleeves(canvas, product, cut, flare=0.0, width=0.2)
    _body(canvas, product, cut)
    for x in (-0.4, -0.14, 0.14, 0.4):
        canvas.line([(x * 0.5, -0.1), (x * 1.15, 0.9)], lit(product.tone, 0.82), width=0.03)
    canvas.polygon([(-0.28, -0.26), (0.28, -0.26), (0.28, -0.14), (-0.28, -0.14)], _trim(product))
    _neck(canvas, product, cut)


def _body(canvas: Canvas, product: Product, cut: Cut) -> None:
    right: list[Point] = [
        (NECK, cut.top),
        (cut.shoulder, cut.top + 0.1),
        (cut.shoulder - 0.03, cut.top + 0.42),
        (cut.waist, cut.waist_height),
        (cut.hem, cut.bottom),
    ]
    left = [(-x, y) for x, y in reversed(right)]
    canvas.polygon([*right, *left], product.tone)
    _weave(canvas, product, cut)
    canvas.line([*right, *left], lit(product.tone, 0.62), width=0.012)
    shade = [(cut.shoulder - 0.12, cut.top + 0.4), (cut.shoulder - 0.03, cut.top + 0.42), (cut.waist, cut.waist_height)]
    canvas.polygon([*shade, (cut.hem, cut.bottom), (cut.hem - 0.14, cut.bottom)], lit(product.tone, 0.84))
    canvas.polygon(
        [
            (-cut.waist + 0.1, cut.waist_height),
            (-cut.waist + 0.18, cut.waist_height),
            (-cut.hem + 0.26, cut.bottom),
            (-cut.hem + 0.14, cut.bottom),
        ],
        lit(product.tone, 1.12),
    )


def _weave(canvas: Canvas, product: Product, cut: Cut) -> None:
    """The threads of the cloth, from the chest to the hem, and a double seam above it."""
    thread = lit(product.tone, 0.9) if brightness(product.tone) > 90 else lit(product.tone, 1.14)
    for step in range(-9, 10):
        share = step / 9.5
        canvas.line([(share * cut.waist, cut.top + 0.42), (share * cut.waist, cut.waist_height)], thread, width=0.011)
        canvas.line([(share * cut.waist, cut.waist_height), (share * cut.hem, cut.bottom)], thread, width=0.011)
    for height in (cut.bottom - 0.07, cut.bottom - 0.04):
        canvas.line([(-cut.hem + 0.02, height), (cut.hem - 0.02, height)], lit(thread, 0.8), width=0.009)


def _sleeves(
    canvas: Canvas, product: Product, cut: Cut, *, flare: float, width: float = 0.3, cuff: Colour | None = None
) -> None:
    length = product.attributes["sleeve length"]
    if length == "sleeveless":
        return
    reach, drop = (0.36, 0.34) if length == "short" else (0.4, 1.24)
    for side in (-1, 1):
        outer = (side * min(0.98, cut.shoulder + reach), cut.top + 0.1 + drop)
        thick = width * (0.95 if length == "short" else 0.75) + flare
        inner = (outer[0] - side * thick, outer[1] + (0.12 if length == "short" else 0.03))
        armpit = (side * (cut.shoulder - 0.05), cut.top + 0.12 + width + 0.1)
        shoulder = (side * (cut.shoulder - 0.06), cut.top + 0.07)
        tone = lit(product.tone, 0.9 if side > 0 else 0.96)
        canvas.polygon([shoulder, (side * (cut.shoulder + 0.1), cut.top + 0.2), outer, inner, armpit], tone)
        canvas.line([shoulder, outer, inner, armpit], lit(product.tone, 0.62), width=0.012)
        band = lit(product.tone, 0.75) if cuff is None else cuff
        canvas.line([outer, inner], band, width=0.12 if cuff is not None and length == "long" else 0.05)


def _neck(canvas: Canvas, product: Product, cut: Cut) -> None:
    """The neckline: a round hole, a deep V, a folded collar or a tall roll."""
    inside, trim = lit(product.tone, 0.5), _trim(product)
    kind = product.attributes["neckline"]
    if kind == "crew":
        canvas.polygon(arc(0, cut.top, NECK + 0.05, 0.2, 0, 180), trim)
        canvas.polygon(arc(0, cut.top - 0.02, NECK, 0.15, 0, 180), inside)
    elif kind == "v-neck":
        canvas.polygon([(-NECK - 0.06, cut.top), (NECK + 0.06, cut.top), (0, cut.top + 0.54)], trim)
        canvas.polygon([(-NECK, cut.top - 0.01), (NECK, cut.top - 0.01), (0, cut.top + 0.42)], inside)
    elif kind == "collar":
        canvas.polygon([(-NECK, cut.top), (NECK, cut.top), (0, cut.top + 0.2)], inside)
        for side in (-1, 1):
            flap = [
                (side * NECK, cut.top - 0.12),
                (side * (NECK + 0.1), cut.top + 0.06),
                (side * 0.2, cut.top + 0.3),
                (0, cut.top + 0.16),
            ]
            canvas.polygon(flap, trim)
    else:
        canvas.polygon(
            smooth(
                [
                    (-NECK, cut.top + 0.1),
                    (-NECK + 0.03, cut.top - 0.18),
                    (NECK - 0.03, cut.top - 0.18),
                    (NECK, cut.top + 0.1),
                    (0, cut.top + 0.16),
                    (-NECK, cut.top + 0.1),
                ]
            ),
            trim,
        )
        canvas.line([(-NECK + 0.02, cut.top - 0.02), (NECK - 0.02, cut.top - 0.02)], lit(trim, 0.75), width=0.03)


def _print(canvas: Canvas, product: Product) -> None:
    accent = product.brand.accent if distance(product.brand.accent, product.tone) > 90 else WHITE
    if product.number % 3 == 0:
        canvas.ellipse(0, -0.06, 0.24, 0.24, accent)
        canvas.ellipse(0.08, -0.1, 0.17, 0.17, product.tone)
    elif product.number % 3 == 1:
        for step in range(3):
            canvas.polygon(
                [
                    (-0.3, -0.24 + step * 0.15),
                    (0.3, -0.24 + step * 0.15),
                    (0.3, -0.16 + step * 0.15),
                    (-0.3, -0.16 + step * 0.15),
                ],
                accent,
            )
    else:
        canvas.polygon([(-0.28, 0.12), (-0.06, -0.3), (0.06, -0.08), (0.14, -0.2), (0.3, 0.12)], accent)
    canvas.text(product.brand.lettering, 0, 0.32, height=0.12, width=0.6, colour=accent)


def _trim(product: Product) -> Colour:
    return lit(product.tone, 0.74) if brightness(product.tone) > 90 else mix(product.tone, WHITE, 0.4)


CLOTHING_SHAPES = {"T-Shirt": t_shirt, "Shirt": shirt, "Sweater": sweater, "Dress": dress}
