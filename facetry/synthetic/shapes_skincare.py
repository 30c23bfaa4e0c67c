"""Jars, tubes and bottles for the face."""

from facetry.synthetic.canvas import Canvas, arc, smooth
from facetry.synthetic.colours import GLASS, INK, WHITE, WOOD, ink_on, lit, mix
from facetry.synthetic.labels import draw_icon, flat_label, label_paper, wrapped_label
from facetry.synthetic.product import Product

GOLD = (226, 170, 62)


def moisturiser(canvas: Canvas, product: Product) -> None:
    """A low, wide jar with a thick lid."""
    radius = 0.92
    top = -0.28 - 0.12 * product.stoutness
    canvas.turned([(0.12, radius - 0.06), (0.14, radius), (0.64, radius), (0.74, radius - 0.1)], product.tone)
    wrapped_label(canvas, product, top=0.18, bottom=0.6, radius=radius)
    canvas.turned([(top, radius + 0.02), (0.14, radius + 0.04)], product.brand.cap, gloss=0.35)
    canvas.disc(top, radius + 0.02, lit(product.brand.cap, 1.16))
    canvas.disc(top, radius - 0.1, lit(product.brand.cap, 1.05))


def exfoliator(canvas: Canvas, product: Product) -> None:
    """A tube that stands on its cap, its upper end pressed flat, speckled with grains."""
    width = 0.5 + 0.08 * product.stoutness
    body = [(-width - 0.06, -0.95), (width + 0.06, -0.95), (width - 0.08, 0.6), (-width + 0.08, 0.6)]
    canvas.polygon(body, product.tone)
    light, dark = lit(product.tone, 1.25), lit(product.tone, 0.82)
    canvas.polygon([(-width + 0.02, -0.9), (-width + 0.18, -0.9), (-width + 0.24, 0.6), (-width + 0.13, 0.6)], light)
    canvas.polygon([(width - 0.06, -0.9), (width + 0.06, -0.95), (width - 0.08, 0.6), (width - 0.22, 0.6)], dark)
    canvas.polygon([(-width - 0.08, -1.0), (width + 0.08, -1.0), (width + 0.06, -0.86), (-width - 0.06, -0.86)], dark)
    grain = ink_on(product.tone)
    for step in range(26):
        across, down = (step * 0.7549 + product.detail) % 1, (step * 0.5698) % 1
        canvas.dot((across - 0.5) * 1.7 * (width - 0.08), -0.78 + down * 0.5, 0.035 + 0.02 * (step % 3), grain)
    paper = label_paper(product)
    canvas.polygon([(-width + 0.02, -0.2), (width - 0.02, -0.2), (width - 0.06, 0.44), (-width + 0.06, 0.44)], paper)
    flat_label(canvas, product, 0.0, -0.2, 0.44, width=2 * width - 0.15, ink=ink_on(paper))
    canvas.turned([(0.58, width - 0.1), (0.94, width - 0.06)], product.brand.cap)


def eye_care(canvas: Canvas, product: Product) -> None:
    """A slim pen with a slanted tip, in front of a box that bears a large eye."""
    paper = label_paper(product)
    canvas.polygon([(-0.2, -0.82), (0.78, -0.82), (0.78, 0.92), (-0.2, 0.92)], product.tone)
    canvas.polygon([(0.78, -0.82), (0.95, -0.92), (0.95, 0.8), (0.78, 0.92)], lit(product.tone, 0.72))
    canvas.polygon([(-0.2, -0.82), (0.0, -0.93), (0.95, -0.92), (0.78, -0.82)], lit(product.tone, 1.2))
    canvas.ellipse(0.33, -0.2, 0.4, 0.4, paper)
    draw_icon(canvas, "Eye Care", 0.33, -0.2, 0.29, ink_on(paper))
    canvas.text(product.brand.lettering, 0.33, 0.6, height=0.16, width=0.7, colour=ink_on(product.tone))
    tube = mix(product.brand.accent, WHITE, 0.25)
    canvas.turned([(-0.3, 0.13), (-0.22, 0.2), (0.86, 0.2)], tube, x=-0.58, gloss=0.5)
    canvas.turned([(0.55, 0.205), (0.94, 0.205)], product.brand.cap, x=-0.58)
    canvas.polygon([(-0.7, -0.28), (-0.46, -0.28), (-0.48, -0.5), (-0.58, -0.78), (-0.66, -0.62)], lit(tube, 0.85))
    canvas.ellipse(-0.58, -0.72, 0.07, 0.1, (214, 218, 224))


def cleanser(canvas: Canvas, product: Product) -> None:
    """A stout bottle under a tall pump with a long spout."""
    radius = 0.56 + 0.08 * product.stoutness
    profile = [(-0.26, 0.3), (-0.18, radius - 0.08), (-0.06, radius), (0.82, radius), (0.9, radius - 0.06)]
    canvas.turned(profile, product.tone)
    wrapped_label(canvas, product, top=0.08, bottom=0.68, radius=radius)
    cap = product.brand.cap
    canvas.turned([(-0.4, 0.28), (-0.24, 0.31)], cap)
    canvas.turned([(-0.72, 0.09), (-0.38, 0.09)], lit(cap, 0.85))
    canvas.polygon(
        smooth(
            [
                (0.22, -0.92),
                (-0.3, -0.94),
                (-0.72, -0.86),
                (-0.78, -0.66),
                (-0.66, -0.66),
                (-0.56, -0.76),
                (0.22, -0.72),
            ]
        ),
        cap,
    )
    canvas.turned([(-0.96, 0.24), (-0.7, 0.26)], cap, gloss=0.4)
    canvas.disc(-0.96, 0.24, lit(cap, 1.2))


def serum(canvas: Canvas, product: Product) -> None:
    """A small shouldered bottle with a rubber dropper."""
    radius = 0.5 + 0.07 * product.stoutness
    canvas.turned(
        [(-0.2, 0.22), (-0.12, radius - 0.14), (0.02, radius), (0.86, radius), (0.92, radius - 0.06)],
        product.tone,
        gloss=0.5,
    )
    wrapped_label(canvas, product, top=0.16, bottom=0.72, radius=radius)
    canvas.turned(
        [(-0.44, 0.26), (-0.18, 0.28)], (206, 170, 96) if product.detail > 0.5 else (180, 184, 192), gloss=0.5
    )
    bulb = INK if product.brand.cap[0] > 120 else (236, 232, 226)
    canvas.turned(
        [(-0.98, 0.06), (-0.94, 0.14), (-0.84, 0.18), (-0.66, 0.17), (-0.56, 0.2), (-0.44, 0.2)], bulb, gloss=0.3
    )


def toner(canvas: Canvas, product: Product) -> None:
    """A tall, straight, clear bottle, two thirds full, beside a pile of cotton pads."""
    clear = mix(GLASS, product.tone, 0.2)
    canvas.rounded(-0.62, -0.66, 0.3, 0.95, clear, radius=0.1)
    canvas.rounded(-0.56, -0.34, 0.24, 0.89, product.tone, radius=0.08)
    canvas.polygon([(-0.56, -0.34), (0.24, -0.34), (0.24, -0.28), (-0.56, -0.28)], lit(product.tone, 1.25))
    canvas.polygon([(-0.52, -0.6), (-0.44, -0.6), (-0.44, 0.85), (-0.52, 0.85)], mix(product.tone, WHITE, 0.55))
    paper = label_paper(product)
    canvas.polygon([(-0.42, -0.1), (0.2, -0.1), (0.2, 0.62), (-0.42, 0.62)], paper)
    flat_label(canvas, product, -0.11, -0.1, 0.62, width=0.6, ink=ink_on(paper))
    canvas.turned([(-0.98, 0.26), (-0.66, 0.26)], product.brand.cap, x=-0.16)
    canvas.disc(-0.98, 0.26, lit(product.brand.cap, 1.2), x=-0.16)
    for step in range(4):
        height = 0.86 - step * 0.12
        canvas.turned([(height - 0.08, 0.3), (height, 0.3)], (240, 238, 232), x=0.64, gloss=0.0)
        canvas.disc(height - 0.08, 0.3, (252, 251, 248), x=0.64)


def mist(canvas: Canvas, product: Product) -> None:
    """A slim bottle with an atomiser, and the cloud that it sprays."""
    radius = 0.34 + 0.05 * product.stoutness
    x = 0.42
    canvas.turned(
        [(-0.42, 0.2), (-0.3, radius - 0.02), (-0.24, radius), (0.9, radius), (0.94, radius - 0.04)],
        product.tone,
        x=x,
        gloss=0.45,
    )
    paper = label_paper(product)
    canvas.turned([(0.02, radius), (0.62, radius)], paper, x=x, gloss=0.05, span=(-0.85, 0.85))
    canvas.text(product.brand.lettering, x, 0.38, height=0.14, width=radius * 1.5, colour=ink_on(paper))
    canvas.turned([(-0.56, 0.2), (-0.4, 0.21)], (180, 184, 192), x=x, gloss=0.5)
    canvas.turned([(-0.88, 0.15), (-0.56, 0.17)], product.brand.cap, x=x)
    canvas.polygon(
        [(x - 0.12, -0.82), (x - 0.26, -0.8), (x - 0.26, -0.7), (x - 0.12, -0.68)], lit(product.brand.cap, 0.8)
    )
    for step in range(46):
        away = ((step * 0.7549 + product.detail) % 1) ** 0.8
        aside = ((step * 0.5698) % 1 - 0.5) * (0.14 + 0.95 * away)
        canvas.dot(
            x - 0.32 - away * 1.02, -0.74 + 0.12 * away + aside, 0.026 + 0.03 * ((step * 0.27) % 1), (252, 253, 255)
        )


def balm(canvas: Canvas, product: Product) -> None:
    """A flat tin seen from above, its lid leaning behind it; or a twist-up stick."""
    if product.attributes["container"] == "stick":
        _balm_stick(canvas, product)
        return
    metal = mix((206, 208, 212), product.tone, 0.2)
    canvas.ellipse(0.34, -0.36, 0.6, 0.6, lit(product.tone, 0.75))
    canvas.ellipse(0.31, -0.39, 0.57, 0.57, product.tone)
    draw_icon(canvas, "Balm", 0.3, -0.55, 0.2, ink_on(product.tone))
    canvas.ellipse(-0.22, 0.34, 0.74, 0.6, lit(metal, 0.7))
    canvas.ellipse(-0.22, 0.26, 0.74, 0.58, metal)
    canvas.ellipse(-0.22, 0.27, 0.66, 0.5, lit(metal, 0.82))
    balm_tone = mix((244, 226, 170), product.tone, 0.12)
    canvas.ellipse(-0.22, 0.29, 0.64, 0.47, balm_tone)
    canvas.polygon(smooth([(-0.6, 0.36), (-0.3, 0.1), (0.1, 0.16), (-0.2, 0.3), (-0.6, 0.36)]), lit(balm_tone, 1.4))


def _balm_stick(canvas: Canvas, product: Product) -> None:
    balm_tone = mix((244, 226, 170), product.brand.accent, 0.2)
    canvas.turned([(-0.96, 0.12), (-0.9, 0.26), (-0.78, 0.32), (-0.3, 0.32)], balm_tone, x=-0.2)
    canvas.turned([(-0.42, 0.35), (-0.1, 0.35)], (200, 204, 210), x=-0.2, gloss=0.5)
    canvas.turned([(-0.12, 0.42), (0.94, 0.42)], product.tone, x=-0.2)
    draw_icon(canvas, "Balm", -0.2, 0.3, 0.18, ink_on(product.tone))
    canvas.text(product.brand.lettering, -0.2, 0.72, height=0.13, width=0.7, colour=ink_on(product.tone))
    canvas.turned([(0.2, 0.36), (0.26, 0.4), (0.94, 0.4)], product.brand.cap, x=0.62)


def mask(canvas: Canvas, product: Product) -> None:
    """A foil sachet with notched ends that shows a face mask."""
    width = 0.72
    teeth = 9
    top = [(-width + 2 * width * step / teeth, -0.98 + 0.06 * (step % 2)) for step in range(teeth + 1)]
    bottom = [(width - 2 * width * step / teeth, 0.98 - 0.06 * (step % 2)) for step in range(teeth + 1)]
    canvas.polygon([*top, *bottom], product.tone)
    for height in (-0.86, 0.8):
        canvas.polygon(
            [(-width, height), (width, height), (width, height + 0.05), (-width, height + 0.05)], lit(product.tone, 0.8)
        )
    canvas.polygon([(-width, -0.8), (-width + 0.16, -0.8), (-width + 0.3, 0.8), (-width, 0.8)], lit(product.tone, 1.22))
    canvas.polygon([(width - 0.1, -0.8), (width, -0.8), (width, 0.8), (width - 0.2, 0.8)], lit(product.tone, 0.86))
    face = WHITE if sum(product.tone) < 640 else product.brand.accent
    canvas.polygon(
        smooth(
            [
                (0, -0.66),
                (0.4, -0.52),
                (0.48, -0.1),
                (0.34, 0.28),
                (0, 0.48),
                (-0.34, 0.28),
                (-0.48, -0.1),
                (-0.4, -0.52),
                (0, -0.66),
            ]
        ),
        face,
    )
    for x in (-0.21, 0.21):
        canvas.ellipse(x, -0.2, 0.13, 0.08, product.tone)
    canvas.polygon([(0, -0.14), (0.07, 0.06), (-0.07, 0.06)], lit(face, 0.78))
    canvas.ellipse(0, 0.22, 0.16, 0.06, product.tone)
    canvas.text(product.brand.lettering, 0, 0.65, height=0.14, width=1.1, colour=ink_on(product.tone))


def peel(canvas: Canvas, product: Product) -> None:
    """Three small vials in a row, standing in a tray."""
    for step, x in enumerate((-0.58, 0.0, 0.58)):
        canvas.turned(
            [(-0.62, 0.1), (-0.48, 0.12), (-0.38, 0.23), (0.6, 0.23)], mix(GLASS, product.tone, 0.25), x=x, gloss=0.5
        )
        level = -0.2 + 0.12 * ((step + product.detail * 3) % 2)
        canvas.turned([(level, 0.2), (0.6, 0.2)], product.tone, x=x, gloss=0.4)
        canvas.turned([(-0.82, 0.13), (-0.56, 0.14)], product.brand.cap, x=x)
        canvas.disc(-0.82, 0.13, lit(product.brand.cap, 1.2), x=x)
    paper = label_paper(product)
    canvas.polygon([(-0.95, 0.3), (0.95, 0.3), (0.9, 0.92), (-0.9, 0.92)], paper)
    canvas.polygon([(-0.95, 0.3), (0.95, 0.3), (0.95, 0.36), (-0.95, 0.36)], lit(paper, 0.8))
    flat_label(canvas, product, 0, 0.36, 0.92, width=1.6, ink=ink_on(paper))


def oil(canvas: Canvas, product: Product) -> None:
    """A round-bellied flask of golden oil under a tall wooden cap."""
    radius = 0.66 + 0.06 * product.stoutness
    belly = arc(0.0, 0.3, radius, 0.62, -68, 248, steps=30)
    canvas.polygon(belly, mix(GLASS, product.tone, 0.3))
    canvas.polygon(arc(0.0, 0.32, radius - 0.07, 0.55, -12, 192, steps=24), GOLD)
    canvas.ellipse(0.0, 0.21, radius - 0.1, 0.1, lit(GOLD, 1.3))
    canvas.polygon(arc(-radius * 0.5, 0.2, 0.1, 0.26, 0, 360), mix(GOLD, WHITE, 0.6))
    paper = label_paper(product)
    canvas.ellipse(0.08, 0.42, 0.36, 0.32, paper)
    draw_icon(canvas, "Oil", 0.08, 0.4, 0.2, ink_on(paper))
    canvas.turned([(-0.36, 0.2), (-0.22, 0.22)], (206, 170, 96), gloss=0.5)
    canvas.turned([(-0.98, 0.17), (-0.36, 0.22)], WOOD)
    canvas.disc(-0.98, 0.17, lit(WOOD, 1.2))


SKINCARE_SHAPES = {
    "Moisturiser": moisturiser,
    "Exfoliator": exfoliator,
    "Eye Care": eye_care,
    "Cleanser": cleanser,
    "Serum": serum,
    "Toner": toner,
    "Mist": mist,
    "Balm": balm,
    "Mask": mask,
    "Peel": peel,
    "Oil": oil,
}
