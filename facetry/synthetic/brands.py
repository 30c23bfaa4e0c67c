"""Brands that do not exist: what each sells, and the look that all its products share."""

from dataclasses import dataclass
from random import Random

from facetry.synthetic.colours import PRODUCT_COLOURS, Colour, jittered, mix

DEPARTMENTS: dict[str, tuple[str, ...]] = {
    "beauty": (
        "Moisturiser", "Exfoliator", "Eye Care", "Cleanser", "Serum", "Toner", "Mist",
        "Balm", "Mask", "Peel", "Oil", "Bath Salts", "Body Wash", "Bath Oil",
    ),
    "kitchen": ("Saucepan", "Frying Pan", "Casserole", "Wok"),
    "clothing": ("T-Shirt", "Shirt", "Sweater", "Dress"),
}  # fmt: skip
DEPARTMENT_CYCLE = ("beauty", "beauty", "kitchen", "beauty", "clothing")
CATEGORIES_PER_BRAND = {"beauty": 6, "kitchen": 3, "clothing": 3}

BACKDROPS = ("studio", "glow", "split", "terrazzo", "stripes", "planks", "arch")
MOTIFS = ("plain", "frame", "stripe", "corner", "medal")
LABELS = ("band", "patch", "round")

_FIRST = (
    "Alder", "Bryn", "Calla", "Dune", "Elowen", "Fjord", "Gale", "Hazel", "Isle", "Juno", "Kestrel", "Linden",
    "Maren", "Nova", "Orla", "Petra", "Quill", "Rowan", "Soren", "Thistle", "Umbra", "Vesper", "Willow", "Yarrow",
)  # fmt: skip
_SECOND = ("", " & Co", " House", "field", " Lane", "wick", " Studio", "mere", " & Sons", "holm")


@dataclass(frozen=True, slots=True)
class Brand:
    """A maker: `categories` from its best seller down, and a palette, backdrop and label of its own."""

    name: str
    department: str
    categories: tuple[str, ...]
    colours: tuple[str, ...]
    tones: tuple[Colour, ...]
    accent: Colour
    cap: Colour
    paper: Colour
    backdrop: str
    backdrop_tone: Colour
    motif: str
    label: str
    capitals: bool
    has_icons: bool

    @property
    def lettering(self) -> str:
        return self.name.upper() if self.capitals else self.name


def make_brand(index: int, *, seed: int) -> Brand:
    """The brand number `index`; the same for a seed whatever else is drawn."""
    random = Random(f"{seed}/brand/{index}")
    department = DEPARTMENT_CYCLE[index % len(DEPARTMENT_CYCLE)]
    colours = tuple(random.sample(list(PRODUCT_COLOURS), k=3))
    tones = tuple(jittered(PRODUCT_COLOURS[name], random) for name in colours)
    accent = jittered(PRODUCT_COLOURS[random.choice([name for name in PRODUCT_COLOURS if name != "white"])], random)
    return Brand(
        name=_name(index, seed=seed),
        department=department,
        categories=_assortment(index, department, seed=seed),
        colours=colours,
        tones=tones,
        accent=accent,
        cap=random.choice(
            [(40, 40, 46), (246, 244, 240), (198, 152, 102), (206, 170, 96), mix(accent, (0, 0, 0), 0.2)]
        ),
        paper=random.choice([(250, 248, 242), (250, 248, 242), (240, 228, 206), mix(accent, (255, 255, 255), 0.75)]),
        backdrop=BACKDROPS[(index // len(DEPARTMENT_CYCLE) + index) % len(BACKDROPS)],
        backdrop_tone=mix(_backdrop_hue(index, random), (248, 244, 238), random.uniform(0.56, 0.78)),
        motif=random.choice(MOTIFS),
        label=random.choice(LABELS),
        capitals=random.random() < 0.5,
        has_icons=random.random() < 0.8,
    )


def _backdrop_hue(index: int, random: Random) -> Colour:
    """The hue of a brand's walls: neighbouring brands differ."""
    hues = [name for name in PRODUCT_COLOURS if name not in ("black", "brown", "red")]
    return jittered(PRODUCT_COLOURS[hues[index % len(hues)]], random)


def _name(index: int, *, seed: int) -> str:
    """A name that no other index below 240 has; later ones are numbered."""
    names = [first + second for second in _SECOND for first in _FIRST]
    Random(f"{seed}/names").shuffle(names)
    round_number, place = divmod(index, len(names))
    return names[place] if round_number == 0 else f"{names[place]} {round_number + 1}"


def _assortment(index: int, department: str, *, seed: int) -> tuple[str, ...]:
    """What the brand sells: neighbours on a shuffled ring, so that every category is sold by several brands."""
    ring = list(DEPARTMENTS[department])
    cycle, place = divmod(index, len(DEPARTMENT_CYCLE))
    number = cycle * DEPARTMENT_CYCLE.count(department) + DEPARTMENT_CYCLE[:place].count(department)
    count = CATEGORIES_PER_BRAND[department]
    Random(f"{seed}/ring/{department}/{number * count // len(ring)}").shuffle(ring)
    start = number * count % len(ring)
    return tuple(ring[(start + step) % len(ring)] for step in range(count))
