"""The parity contract: golden listings with the pixels, tokens and answers that training saw, to be reproduced."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from facetry.decoding.answer import Answer
from facetry.decoding.engine import Engine
from facetry.errors import ReleaseError, RequestError
from facetry.listing import Listing, ListingImage
from facetry.prompting import Prompt
from facetry.release.manifest import Release, open_release
from facetry.storage import join

CONTRACT_NAME = "contract.json"
IMAGES_NAME = "images"
PROBABILITY_TOLERANCE = 1e-3


class GoldenListing(BaseModel):
    """A listing, what the model was shown of it, and what it said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    texts: Mapping[str, str]
    images: tuple[str, ...]
    pixels_sha256: str
    token_ids: tuple[int, ...]
    category: str
    probability: float
    attributes: Mapping[str, str]


class Contract(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    weight_keys: tuple[str, ...]
    golden: tuple[GoldenListing, ...]


def write_contract(folder: Path, *, engine: Engine, listings: Sequence[Listing]) -> None:
    """Write what `engine` sees and says of `listings` to `folder`, with their images beside."""
    (folder / IMAGES_NAME).mkdir(parents=True)
    answered = zip(listings, engine.answer(listings), strict=True)
    golden = tuple(
        _golden(listing, answer, engine=engine, images=folder / IMAGES_NAME)
        for listing, answer in answered
        if isinstance(answer, Answer)
    )
    if not golden:
        raise ReleaseError("none of the golden listings can be answered: clean the catalogue and train again")
    contract = Contract(weight_keys=weight_keys(engine), golden=golden)
    (folder / CONTRACT_NAME).write_text(contract.model_dump_json(indent=1) + "\n", encoding="utf-8")


def engine_of(checkpoint: Path) -> Engine:
    """The engine of a checkpoint that can be released; a `ReleaseError` for any other."""
    engine = Engine.load(checkpoint)
    if not isinstance(engine, Engine):
        raise ReleaseError("a CLIP or SigLIP checkpoint cannot be released yet: release a model that answers in words")
    return engine


def load_engine(folder: Path) -> Engine:
    """The engine of the release in `folder`; a `ReleaseError` unless its files and golden answers are as released."""
    release = open_release(folder)
    engine = engine_of(release.checkpoint)
    check_contract(release, engine=engine)
    return engine


def check_contract(release: Release, *, engine: Engine) -> None:
    """Raise a `ReleaseError` that says in which of weights, pixels, tokens or answers `engine` has drifted."""
    contract = _read_contract(release)
    if weight_keys(engine) != contract.weight_keys:
        _refuse(release, "the model's weights have other names")
    listings = [_listing(golden, images=release.parity / IMAGES_NAME) for golden in contract.golden]
    seen = [_seen(listing, engine=engine) for listing in listings]
    total = len(contract.golden)
    expected_pixels = [golden.pixels_sha256 for golden in contract.golden]
    expected_tokens = [golden.token_ids for golden in contract.golden]
    if drifted := _count_differences([pixels for pixels, _ in seen], expected_pixels):
        _refuse(release, f"pixels differ on {drifted} of {total} golden listings")
    if drifted := _count_differences([tokens for _, tokens in seen], expected_tokens):
        _refuse(release, f"tokens differ on {drifted} of {total} golden listings")
    answers = engine.answer(listings)
    if drifted := sum(
        not _same_answer(answer, golden) for answer, golden in zip(answers, contract.golden, strict=True)
    ):
        _refuse(release, f"answers differ on {drifted} of {total} golden listings")


def _read_contract(release: Release) -> Contract:
    try:
        return Contract.model_validate_json((release.parity / CONTRACT_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise ReleaseError(f"{release.title}: its parity contract is malformed: make the release again") from error


def weight_keys(engine: Engine) -> tuple[str, ...]:
    return tuple(sorted(engine.backbone.model.state_dict()))


def _refuse(release: Release, difference: str) -> None:
    raise ReleaseError(
        f"{release.title} does not reproduce its parity contract: {difference}; "
        "serve it with the packages it was made with, or release again with these"
    )


def _golden(listing: Listing, answer: Answer, *, engine: Engine, images: Path) -> GoldenListing:
    names = []
    for image in listing.usable_images:
        name = hashlib.sha256(image.data).hexdigest()
        (images / name).write_bytes(image.data)
        names.append(name)
    pixels, tokens = _seen(listing, engine=engine)
    return GoldenListing(
        id=listing.id,
        texts=listing.texts,
        images=tuple(names),
        pixels_sha256=pixels,
        token_ids=tokens,
        category=answer.category,
        probability=answer.probability,
        attributes=dict(answer.attributes),
    )


def _listing(golden: GoldenListing, *, images: Path) -> Listing:
    pictures = tuple(ListingImage(Path(join(images, name)).read_bytes(), name) for name in golden.images)
    return Listing(
        id=golden.id,
        title=golden.texts.get("title"),
        description=golden.texts.get("description"),
        brand=golden.texts.get("brand"),
        brand_description=golden.texts.get("brand_description"),
        images=pictures,
    )


def _seen(listing: Listing, *, engine: Engine) -> tuple[str, tuple[int, ...]]:
    """The hash of the pixels, and the tokens, that the model is shown of `listing`."""
    prompt = engine.compose(listing)
    if not isinstance(prompt, Prompt):
        raise prompt
    encoded = engine.backbone.encoder.encode(prompt)
    tensors = engine.backbone.encoder.collate([encoded.images])
    pixels = tensors["pixel_values"].numpy().tobytes() if tensors else b""
    return hashlib.sha256(pixels).hexdigest(), encoded.token_ids


def _count_differences(found: Sequence[object], expected: Sequence[object]) -> int:
    return sum(mine != theirs for mine, theirs in zip(found, expected, strict=True))


def _same_answer(answer: Answer | RequestError, golden: GoldenListing) -> bool:
    return (
        isinstance(answer, Answer)
        and answer.category == golden.category
        and answer.attributes == golden.attributes
        and math.isclose(answer.probability, golden.probability, abs_tol=PROBABILITY_TOLERANCE)
    )
