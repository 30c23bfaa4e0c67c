"""What is trained of a model: which weights of each part, at which rate, and how many they are."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import nn

from facetry.backbones.family import PARTS, Family, PartName
from facetry.config import AdapterParams, PartsParams, TrainParams
from facetry.errors import TrainingError

_ADDED_BY_PEFT = re.compile(r"^base_model\.model\.|\.base_layer(?=\.)|\.lora_[AB]\.default(?=\.)")
_BLOCK_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


@dataclass(frozen=True, slots=True)
class PartCount:
    """How many numbers a part has, and how many of them are trained."""

    name: PartName
    num_trained: int
    num_all: int


def plain_name(weight: str) -> str:
    """The name of a weight without what peft adds; an adapter's weight is called like the weight it stands beside."""
    return _ADDED_BY_PEFT.sub("", weight)


def choose_trained(
    model: nn.Module, *, family: Family, params: PartsParams, adapter: AdapterParams | None = None
) -> None:
    """Mark the weights that are trained, before an adapter is added; a `TrainingError` for what cannot be chosen.

    The part that `adapter` is for stays as it is: the adapter learns in its place.
    """
    names_of = _names_of_weights(model)
    trained: set[str] = set()
    for part, choice in _choices(params, adapter=adapter).items():
        names = [name for names in names_of.values() for name in names if family.part_of(name) == part]
        trained |= _chosen(choice, names=names, model=model, family=family, part=part)
    for weight, names in names_of.items():
        weight.requires_grad_(not trained.isdisjoint(names))
    if adapter is None and not trained:
        raise TrainingError("train.parts: nothing is trained, set one of vision, projector and language to all")


def _names_of_weights(model: nn.Module) -> dict[nn.Parameter, list[str]]:
    """Every weight with all its names: a tied one has several."""
    names: dict[nn.Parameter, list[str]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        names.setdefault(weight, []).append(name)
    return names


def _choices(params: PartsParams, *, adapter: AdapterParams | None) -> dict[PartName, str]:
    """What is trained of each part, the adapter aside."""
    choices: dict[PartName, str] = {part: getattr(params, part) for part in PARTS}
    if adapter is not None:
        if choices[adapter.part] not in ("all", "none"):
            raise TrainingError(
                f"train.parts.{adapter.part}: {choices[adapter.part]}, but train.adapter learns in its place: "
                f"leave it out, or set train.adapter to null"
            )
        choices[adapter.part] = "none"
    return choices


def _chosen(choice: str, *, names: Sequence[str], model: nn.Module, family: Family, part: PartName) -> set[str]:
    kind, _, argument = choice.partition(" ")
    if kind == "last":
        begins = _last_blocks(int(argument), model=model, family=family, part=part)
        return {name for name in names if name.startswith(begins)}
    if kind == "match":
        return _matching(argument, names=names, part=part)
    return set(names) if kind == "all" else set()


def _last_blocks(num_blocks: int, *, model: nn.Module, family: Family, part: PartName) -> tuple[str, ...]:
    """How the names of the weights in the last `num_blocks` blocks of a part begin."""
    list_name = family.parts[part].blocks
    if list_name is None:
        raise TrainingError(f"train.parts.{part}: last {num_blocks}, but it has no blocks: use all, none or match")
    blocks = model.get_submodule(list_name)
    assert isinstance(blocks, nn.ModuleList)
    if num_blocks > len(blocks):
        raise TrainingError(f"train.parts.{part}: last {num_blocks}, but it has {len(blocks)} blocks: use fewer or all")
    return tuple(f"{list_name}.{index}." for index in range(len(blocks) - num_blocks, len(blocks)))


def _matching(pattern: str, *, names: Sequence[str], part: PartName) -> set[str]:
    if matching := {name for name in names if re.search(pattern, name)}:
        return matching
    raise TrainingError(
        f"train.parts.{part}: match {pattern} matches none of its weights, which are called like "
        f"{', '.join(nearest_names(pattern, names)) or 'nothing, as there are none'}"
    )


def nearest_names(pattern: str, names: Sequence[str]) -> list[str]:
    """Up to three of `names` that come nearest to a pattern, one of all that differ in their block's number only."""
    kinds = {_BLOCK_NUMBER.sub("0", name): name for name in reversed(names)}
    return [kinds[kind] for kind in get_close_matches(pattern, kinds, n=3, cutoff=0.0)]


def vision_is_frozen(model: nn.Module, *, family: Family) -> bool:
    """Whether what the language model is given of an image stays the same while training."""
    return all(part == "language" for part, _ in _trained_weights(model, family=family))


def _trained_weights(model: nn.Module, *, family: Family) -> Iterator[tuple[PartName, nn.Parameter]]:
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            yield family.part_of(plain_name(name)), weight


def parameter_groups(model: nn.Module, *, family: Family, params: TrainParams) -> list[dict[str, object]]:
    """What is trained as the groups of an optimizer: each part at its own rate.

    Biases, norms and scales do not decay: drawing them to zero does not make a model simpler.
    """
    groups: list[dict[str, object]] = []
    trained = list(_trained_weights(model, family=family))
    for part in PARTS:
        for kind, decay in (("matrices", params.weight_decay), ("vectors", 0.0)):
            weights = [
                weight for of, weight in trained if of == part and (len(_shape(weight)) > 1) == (kind == "matrices")
            ]
            if weights:
                rate = getattr(params.learning_rates, part) or params.learning_rate
                groups.append({"params": weights, "lr": rate, "weight_decay": decay, "name": f"{part} {kind}"})
    return groups


def _shape(weight: nn.Parameter) -> torch.Size:
    """The shape of a weight, also where its numbers are in 4 bits, or on other ranks (ZeRO-3)."""
    quantised = getattr(weight, "quant_state", None)
    whole = weight.shape if quantised is None else quantised.shape
    shape: torch.Size = getattr(weight, "ds_shape", whole)
    return shape


def count_by_part(model: nn.Module, *, family: Family) -> tuple[PartCount, ...]:
    """How much of each part is trained; the weights of an adapter count for the part that they are in."""
    num_all, num_trained = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0)
    for name, weight in model.named_parameters():
        part = family.part_of(plain_name(name))
        num_all[part] += _shape(weight).numel()
        num_trained[part] += _shape(weight).numel() if weight.requires_grad else 0
    return tuple(PartCount(part, num_trained[part], num_all[part]) for part in PARTS)


def describe(counts: Sequence[PartCount]) -> str:
    """The counts as a table for people, with their sum as its last line."""
    rows: list[tuple[str, int, int]] = [(count.name, count.num_trained, count.num_all) for count in counts]
    rows.append(("all", sum(count.num_trained for count in counts), sum(count.num_all for count in counts)))
    trained_width, all_width = (max(len(f"{row[column]:,}") for row in rows) for column in (1, 2))
    return "\n".join(
        f"{name:<9} {num_trained:>{trained_width},} of {num_all:>{all_width},} trained "
        f"({num_trained / max(num_all, 1):.2%})"
        for name, num_trained, num_all in rows
    )
