"""The look that every report shares: one page that needs nothing beside it, with its figures and pictures inside."""

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCENT = "#2563a8"
WARNING = "#c2562d"
QUIET = "#66727f"


def render_page(title: str, body: str) -> str:
    """A whole HTML page under `title`; `body` is HTML already and is put in as it is."""
    return render_template(Path(__file__).with_name("report_page.html"), title=title, body=body)


def render_template(path: Path, **values: object) -> str:
    """The template at `path` filled in: values are escaped unless it says `safe`, and a missing one is an error."""
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(path.name).render(values)


def new_axes(title: str, *, width_inches: float = 4.4, height_inches: float = 2.8) -> "tuple[Figure, Axes]":
    """A plain figure with one pair of axes, in the reports' look."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    axes = figure.add_subplot()
    dress_axes(axes, title)
    return figure, axes


def dress_axes(axes: "Axes", title: str) -> None:
    """Give one pair of axes the reports' look."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, color=QUIET, labelcolor=QUIET)


def inline_figure(figure: "Figure") -> str:
    """A matplotlib figure as an <img> that carries its SVG; the same figure gives the same bytes."""
    import matplotlib as mpl

    svg = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "facetry", "svg.fonttype": "path"}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
    alt = ", ".join(axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left"))
    return _image_tag(svg.getvalue(), media_type="image/svg+xml", attributes=f'alt="{escape(alt)}"')


def inline_image(data: bytes, *, alt: str, side_pixels: int) -> str:
    """An encoded picture as a thumbnail <img> that carries its pixels, or a blank of that size if it is no picture."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.draft("RGB", (side_pixels * 2, side_pixels * 2))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            upright.thumbnail((side_pixels * 2, side_pixels * 2))
            encoded = io.BytesIO()
            upright.save(encoded, format="JPEG", quality=80)
    except Exception:  # a damaged file can make a decoder raise anything
        size = f"width:{side_pixels}px;height:{side_pixels}px"
        return f'<span class="blank" style="{size}">no picture</span>'
    scale = side_pixels / max(upright.size)
    width, height = (max(1, round(side * scale)) for side in upright.size)
    attributes = f'class="thumbnail" alt="{escape(alt)}" width="{width}" height="{height}"'
    return _image_tag(encoded.getvalue(), media_type="image/jpeg", attributes=attributes)


def _image_tag(data: bytes, *, media_type: str, attributes: str) -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img {attributes} src="data:{media_type};base64,{encoded}">'
