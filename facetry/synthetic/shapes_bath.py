"""Jars, pouches and bottles for the bath."""

from facetry.synthetic.canvas import Canvas, arc, smooth
from facetry.synthetic.colours import GLASS, WHITE, WOOD, ink_on, lit, mix
from facetry.synthetic.labels import draw_icon, flat_label, label_paper
from facetry.synthetic.product import Product


def bath_salts(canvas: Canvas, product: Product) -> None:
    """A tall glass jar of coarse crystals under a cork; or a pouch with a window on them."""
    if product.attributes["container"] == "pouch":
        _salt_pouch(canvas, product)
        return
    canvas.turned([(-0.56, 0.52), (-0.44, 0.62), (0.84, 0.62), (0.9, 0.56)], mix(GLASS, product.tone, 0.12), gloss=0.3)
    canvas.turned([(-0.3, 0.57), (0.82, 0.57)], product.tone, gloss=0.0)
    _crystals(canvas, product, top=-0.26, bottom=0.9, half_width=0.5, count=60)
    canvas.turned([(-0.94, 0.42), (-0.56, 0.5)], WOOD, gloss=0.05)
    canvas.disc(-0.94, 0.42, lit(WOOD, 1.22))
    paper = label_paper(product)
    canvas.polygon([(-0.36, 0.18), (0.36, 0.18), (0.36, 0.68), (-0.36, 0.68)], paper)
    flat_label(canvas, product, 0, 0.18, 0.68, width=0.7, ink=ink_on(paper))


def _salt_pouch(canvas: Canvas, product: Product) -> None:
    bag = mix((206, 176, 136), product.brand.paper, 0.3)
    canvas.polygon(
        smooth([(-0.62, -0.92), (-0.7, 0.0), (-0.76, 0.9), (0, 0.97), (0.76, 0.9), (0.7, 0.0), (0.62, -0.92)]), bag
    )
    canvas.polygon([(-0.62, -0.96), (0.62, -0.96), (0.64, -0.74), (-0.64, -0.74)], lit(bag, 0.8))
    canvas.line([(-0.64, -0.66), (0.64, -0.66)], lit(bag, 0.7), width=0.03)
    canvas.ellipse(0, 0.34, 0.5, 0.46, product.tone)
    _crystals(canvas, product, top=0.0, bottom=0.68, half_width=0.34, count=34)
    canvas.text(product.brand.lettering, 0, -0.38, height=0.2, width=1.0, colour=ink_on(bag))


def _crystals(canvas: Canvas, product: Product, *, top: float, bottom: float, half_width: float, count: int) -> None:
    shades = (WHITE, lit(product.tone, 1.35), lit(product.tone, 0.8), mix(product.tone, WHITE, 0.6))
    for step in range(count):
        x = ((step * 0.7549 + product.detail) % 1 - 0.5) * 2 * half_width
        y = top + ((step * 0.5698) % 1) * (bottom - top)
        size = 0.05 + 0.025 * (step % 3)
        canvas.polygon(
            [(x - size, y), (x, y - size * 0.9), (x + size, y + 0.01), (x + 0.01, y + size)], shades[step % 4]
        )


def body_wash(canvas: Canvas, product: Product) -> None:
    """A large waisted bottle with a flip-top, ribs for wet hands and a hook to hang it."""
    width = 0.6 + 0.06 * product.stoutness
    waist = width - 0.16
    right = [
        (0.3, -0.62),
        (width, -0.42),
        (width - 0.03, -0.12),
        (waist, 0.2),
        (width - 0.03, 0.54),
        (width, 0.8),
        (0.46, 0.96),
    ]
    left = [(-x, y) for x, y in reversed(right)]
    outline = smooth([*right, *left, right[0]])
    canvas.polygon(outline, product.tone)
    canvas.polygon(
        smooth(
            [
                (-width + 0.08, -0.36),
                (-waist + 0.08, 0.2),
                (-width + 0.1, 0.8),
                (-width + 0.22, 0.8),
                (-waist + 0.18, 0.2),
                (-width + 0.2, -0.36),
            ]
        ),
        lit(product.tone, 1.35),
    )
    canvas.polygon(
        smooth(
            [
                (width - 0.04, -0.36),
                (waist - 0.02, 0.2),
                (width - 0.04, 0.82),
                (width - 0.18, 0.82),
                (waist - 0.14, 0.2),
                (width - 0.18, -0.36),
            ]
        ),
        lit(product.tone, 0.8),
    )
    for height in (0.08, 0.2, 0.32):
        canvas.line([(-waist + 0.02, height), (-waist + 0.16, height)], lit(product.tone, 0.65), width=0.035)
        canvas.line([(waist - 0.16, height), (waist - 0.02, height)], lit(product.tone, 0.55), width=0.035)
    cap = product.brand.cap
    canvas.rounded(-0.42, -0.92, 0.42, -0.56, cap, radius=0.1)
    canvas.polygon([(-0.42, -0.78), (0.42, -0.78), (0.42, -0.74), (-0.42, -0.74)], lit(cap, 0.65))
    canvas.polygon(
        smooth([(0.28, -0.9), (0.62, -0.98), (0.76, -0.82), (0.66, -0.66), (0.56, -0.74), (0.62, -0.84), (0.4, -0.8)]),
        lit(cap, 0.85),
    )
    paper = label_paper(product)
    canvas.ellipse(0, 0.22, waist - 0.16, 0.52, paper)
    flat_label(canvas, product, 0, -0.18, 0.58, width=2 * (waist - 0.2), ink=ink_on(paper))


def bath_oil(canvas: Canvas, product: Product) -> None:
    """A decanter with a long neck and a ball for a stopper, a sprig inside."""
    body = smooth(
        [
            (-0.1, -0.62),
            (-0.13, -0.2),
            (-0.3, 0.04),
            (-0.56, 0.5),
            (-0.6, 0.9),
            (0.6, 0.9),
            (0.56, 0.5),
            (0.3, 0.04),
            (0.13, -0.2),
            (0.1, -0.62),
        ]
    )
    canvas.polygon(body, mix(GLASS, product.tone, 0.25))
    filled = smooth([(-0.3, 0.14), (-0.5, 0.5), (-0.54, 0.85), (0.54, 0.85), (0.5, 0.5), (0.3, 0.14)])
    canvas.polygon(filled, product.tone)
    canvas.ellipse(0, 0.14, 0.3, 0.05, lit(product.tone, 1.35))
    canvas.polygon(
        smooth([(-0.4, 0.34), (-0.5, 0.6), (-0.48, 0.8), (-0.38, 0.8), (-0.4, 0.6), (-0.32, 0.34)]),
        mix(product.tone, WHITE, 0.6),
    )
    stem = (70, 112, 70)
    canvas.line([(0.34, 0.82), (0.2, 0.3), (0.04, -0.3)], stem, width=0.03)
    for step in range(5):
        x, y = 0.3 - 0.05 * step, 0.7 - 0.2 * step
        canvas.ellipse(x + 0.06, y, 0.07, 0.035, stem)
        canvas.ellipse(x - 0.09, y - 0.08, 0.07, 0.035, stem)
    canvas.turned([(-0.64, 0.15), (-0.56, 0.15)], (206, 170, 96))
    canvas.ellipse(0, -0.8, 0.2, 0.2, product.brand.cap)
    canvas.ellipse(-0.07, -0.87, 0.06, 0.06, mix(product.brand.cap, WHITE, 0.7))
    paper = label_paper(product)
    canvas.polygon(arc(-0.08, 0.56, 0.26, 0.22, 0, 360), paper)
    draw_icon(canvas, "Bath Oil", -0.08, 0.55, 0.16, ink_on(paper))


BATH_SHAPES = {"Bath Salts": bath_salts, "Body Wash": body_wash, "Bath Oil": bath_oil}
