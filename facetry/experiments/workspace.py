"""The catalogues of experiments: each is made once, however many runs learn from it."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console

from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.cleaning import clean
from facetry.config import Params, SplitParams, SplitRatios
from facetry.ingest import ingest
from facetry.listing import Split
from facetry.revision import code_revision
from facetry.splitting import split
from facetry.storage import new_folder
from facetry.synthetic import draw

DRAWN_NAME = "drawn.json"
KEY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Made:
    """A folder, and what its content follows from: equal keys, equal content."""

    path: Path
    key: str


@dataclass(frozen=True, slots=True)
class Shop:
    """What a run begins with, learns from, and is asked about. The new brands are on no side of the split."""

    drawn: Made
    split: Made
    new_brands: Made | None


class Workspace:
    """Makes in `folder` what is not there yet. What other code made is not used."""

    def __init__(self, folder: Path, *, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._revision = code_revision()

    def key(self, *parts: object) -> str:
        """Digits that change with any of the parts, and with the code."""
        described = json.dumps([self._revision, *parts], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:KEY_DIGITS]

    def shop(self, params: Params, *, new_brands_share: float) -> Shop:
        """The shop that `params` describe; a share of its brands is set apart before the others are split."""
        drawn = self._draw(params)
        cleaned = self._clean(self._ingest(drawn, params=params), params=params)
        if new_brands_share == 0:
            return Shop(drawn=drawn, split=self._split(cleaned, params=params.split), new_brands=None)
        ratios = SplitRatios(train=1 - new_brands_share, validation=0, test=new_brands_share)
        apart = self._split(cleaned, params=SplitParams(ratios=ratios, seed=params.split.seed))
        known, new = (self._pick(apart, side=side) for side in (Split.TRAIN, Split.TEST))
        return Shop(drawn=drawn, split=self._split(known, params=params.split), new_brands=new)

    def _draw(self, params: Params) -> Made:
        def make(out: Path) -> str:
            return draw(out, params=params.draw).one_line()

        return self._once("drawn", make, of=None, params=params.draw, commit=DRAWN_NAME)

    def _ingest(self, drawn: Made, *, params: Params) -> Made:
        def make(out: Path) -> str:
            return ingest(str(drawn.path), params=params.ingest, out=out).one_line()

        return self._once("catalogue", make, of=drawn, params=params.ingest)

    def _clean(self, listings: Made, *, params: Params) -> Made:
        def make(out: Path) -> str:
            return clean(Catalogue.open(listings.path), params=params.clean, out=out).one_line()

        return self._once("clean", make, of=listings, params=params.clean)

    def _split(self, cleaned: Made, *, params: SplitParams) -> Made:
        def make(out: Path) -> str:
            return split(Catalogue.open(cleaned.path), params=params, out=out).one_line()

        return self._once("split", make, of=cleaned, params=params)

    def _pick(self, sides: Made, *, side: Split) -> Made:
        def make(out: Path) -> str:
            return f"{pick(Catalogue.open(sides.path), side=side, out=out)} listings set apart"

        return self._once(f"apart-{side}", make, of=sides)

    def _once(
        self,
        name: str,
        make: Callable[[Path], str],
        *,
        of: Made | None,
        params: BaseModel | None = None,
        commit: str = MANIFEST_NAME,
    ) -> Made:
        described = params.model_dump(mode="json") if params is not None else None
        key = self.key(name, described, of.key if of is not None else None)
        made = Made(self._folder / f"{name}-{key}", key)
        if not (made.path / commit).is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._console.print(f"{name}: {make(made.path)}")
        return made


def pick(catalogue: Catalogue, *, side: Split, out: Path) -> int:
    """Write the listings of one side, and how many there were. Those of the train side have no side any more."""
    num_listings = 0
    with (
        new_folder(out, commit=MANIFEST_NAME) as folder,
        CatalogueWriter(
            folder, stage="split", params=SplitParams(), taxonomy_yaml=catalogue.taxonomy_yaml, parent=catalogue
        ) as writer,
    ):
        for listing in catalogue.listings(split=side):
            writer.add(dataclasses.replace(listing, split=None) if side is Split.TRAIN else listing)
            num_listings += 1
    return num_listings
