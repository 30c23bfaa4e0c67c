"""How a run is done so that it fits into memory, decided before any accelerator does anything."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch

from facetry.backbones.encoder import load_config
from facetry.backbones.family import Family
from facetry.config import TrainParams
from facetry.errors import TrainingError
from facetry.training.adapters import check_quantisation
from facetry.training.measure import Lengths
from facetry.training.memory import Footprint, Load, ModelSize, Offload, Way, estimate, size_up
from facetry.training.sampling import deal

GIGABYTE = 10**9
USABLE_SHARE = 0.9
"""Memory falls into pieces of which some are too small for anything, and libraries keep some for themselves."""
CHECKPOINTING_TIME = 4 / 3
"""The way forward is gone once more on the way back, which itself takes twice as long."""
ZERO_TIMES = {0: 1.0, 1: 1.0, 2: 1.02, 3: 1.15}
"""ZeRO 2 cuts up gradients as they come, ZeRO 3 fetches the weights twice in each micro-batch."""
OFFLOAD_TIMES: dict[Offload, float] = {"none": 1.0, "optimizer": 1.6, "all": 3.0}
"""States, and worse the weights, cross the bus to the machine's own memory."""
TOKENS_TO_START = 256
"""What it takes to begin a micro-batch, in tokens: many small ones take longer than a few large ones."""
MAX_ROWS_SHOWN = 8
HEADER = (
    *("ZeRO", "offload", "accumulation", "checkpointing"),
    *("weights", "gradients", "optimizer", "buffers", "activations", "logits", "or step", "sum", "in RAM", "time", ""),
)
MEMORY_FILE = Path("/proc/meminfo")
LIMIT_FILE, USED_FILE = (Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory.current"))
ADVICE = (
    "set train.precision to bf16, lower train.batch_size or train.prompt.max_images, train less of the model "
    "(train.parts, train.adapter), leave zero_stage, offload, accumulation_steps and gradient_checkpointing null, or "
    "use more or larger accelerators"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One way to do a run: how long it takes, relative to others, and which memory."""

    way: Way
    time: float
    footprint: Footprint
    fits: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run is done. `rows` are the ways considered, the fastest first; the first one that fits was chosen.

    `load` is the fullest micro-batch there will be; each process may take `memory_bytes`, and `host_bytes` of RAM.
    """

    zero_stage: int
    offload: Offload
    accumulation_steps: int
    gradient_checkpointing: bool
    rows: Sequence[Row]
    size: ModelSize
    listings: str
    load: Load
    num_processes: int
    memory_bytes: int
    host_bytes: int


def plan(
    *,
    lengths: Lengths,
    base_model: str | Path,
    family: Family,
    params: TrainParams,
    num_processes: int,
    memory_bytes: int,
    host_bytes: int | None = None,
) -> Plan:
    """The fastest way to do a run that fits into `memory_bytes` for each process; what `params` says stays as it is.

    What is offloaded must fit into `host_bytes`, by default what this machine has for each process. When no way fits,
    what was considered is printed and a `TrainingError` tells the numbers.
    """
    _check(params, family=family, num_processes=num_processes)
    size = size_up(load_config(base_model), family=family, params=params)
    limits = {
        "memory_bytes": memory_bytes,
        "host_bytes": available_host_bytes(num_processes) if host_bytes is None else host_bytes,
    }
    possible = ways(params, family=family, num_processes=num_processes)
    considered = _consider(lengths, possible, size=size, params=params, num_processes=num_processes)
    rows = _to_first_fitting(considered, **limits)
    chosen = rows[-1] if rows[-1].fits else min(rows, key=lambda row: row.footprint.total)
    decided = Plan(
        zero_stage=chosen.way.zero_stage,
        offload=chosen.way.offload,
        accumulation_steps=chosen.way.accumulation_steps,
        gradient_checkpointing=chosen.way.gradient_checkpointing,
        rows=rows,
        size=size,
        listings=lengths.describe(),
        load=fullest(lengths, params=params, num_parts=num_processes * chosen.way.accumulation_steps),
        num_processes=num_processes,
        **limits,
    )
    if not chosen.fits:
        print(explain(decided), flush=True)
        raise TrainingError(f"no way to train fits: {_needs(chosen)}, {_has(decided)}: {ADVICE}")
    return decided


def ways(params: TrainParams, *, family: Family, num_processes: int) -> Iterator[Way]:
    """Every way to do a run that `params` allows."""
    stages = (1, 2, 3) if params.zero_stage is None else (params.zero_stage,)
    offloads: Sequence[Offload] = _offloads(params) if params.offload is None else (params.offload,)
    most = params.batch_size // num_processes
    accumulations = sorted({most, *(2**power for power in range(most.bit_length()))})
    if params.accumulation_steps is not None:
        accumulations = [params.accumulation_steps]
    switches = (False, True) if params.gradient_checkpointing is None else (params.gradient_checkpointing,)
    for way in (Way(*choices) for choices in product(stages, offloads, accumulations, switches)):
        is_wanted = params.zero_stage is not None or _is_worth_it(way, num_processes=num_processes)
        if is_wanted and _is_possible(way, params=params, family=family):
            yield way


def _offloads(params: TrainParams) -> tuple[Offload, ...]:
    """Without an accelerator there is no other memory to go to, unless one is being planned for."""
    has_accelerator = torch.cuda.is_available() or params.memory_gigabytes is not None
    return ("none", "optimizer", "all") if has_accelerator else ("none",)


def _is_possible(way: Way, *, params: TrainParams, family: Family) -> bool:
    """Whether DeepSpeed can do it: weights go elsewhere from ZeRO 3 only, which takes none in 4 bits."""
    if way.zero_stage not in family.zero_stages or (way.offload == "all" and way.zero_stage != 3):
        return False
    if way.offload == "optimizer" and way.zero_stage == 0:
        return False
    return way.zero_stage != 3 or params.adapter is None or params.adapter.quantise == "none"


def _is_worth_it(way: Way, *, num_processes: int) -> bool:
    """Whether its ZeRO stage may be chosen for a way; the least is 1, from which any number of processes can go on.

    A single process has nothing to share, so it goes further only for the weights to go elsewhere.
    """
    return way.zero_stage == 1 or num_processes > 1 or way.offload == "all"


def fullest(lengths: Lengths, *, params: TrainParams, num_parts: int) -> Load:
    """The most that a micro-batch can hold: a step of the longest listings, dealt to all micro-batches of a step."""
    longest = (-lengths.total).argsort(kind="stable")[: params.batch_size]
    parts = deal(longest, lengths=lengths.total[longest], num_parts=num_parts)
    return Load(
        *(
            max(int(tokens[part].sum()) for part in parts)
            for tokens in (lengths.text_tokens, lengths.image_tokens, lengths.answer_tokens)
        )
    )


def _consider(
    lengths: Lengths, possible: Iterable[Way], *, size: ModelSize, params: TrainParams, num_processes: int
) -> list[Row]:
    """What each way takes, the fastest first."""
    loads: dict[int, Load] = {}
    rows = []
    for way in possible:
        num_parts = num_processes * way.accumulation_steps
        load = loads.get(num_parts) or fullest(lengths, params=params, num_parts=num_parts)
        loads[num_parts] = load
        footprint = estimate(size, way, load=load, num_processes=num_processes, params=params)
        rows.append(Row(way, _time(way, load=load), footprint, fits=False))
    return sorted(rows, key=lambda row: row.time)


def _to_first_fitting(rows: Sequence[Row], *, memory_bytes: int, host_bytes: int) -> tuple[Row, ...]:
    """The rows up to the first that fits, which then says so."""
    for number, row in enumerate(rows):
        fits_beside = row.footprint.host <= host_bytes * USABLE_SHARE
        if row.footprint.total <= memory_bytes * USABLE_SHARE and fits_beside:
            return (*rows[:number], replace(row, fits=True))
    return tuple(rows)


def _time(way: Way, *, load: Load) -> float:
    """How long a step takes, roughly: only which way is faster matters."""
    starting = 1 + TOKENS_TO_START / max(load.text_tokens + load.image_tokens, 1)
    repeating = CHECKPOINTING_TIME if way.gradient_checkpointing else 1.0
    return starting * repeating * ZERO_TIMES[way.zero_stage] * OFFLOAD_TIMES[way.offload]


def _check(params: TrainParams, *, family: Family, num_processes: int) -> None:
    if params.zero_stage is not None and params.zero_stage not in family.zero_stages:
        allowed = ", ".join(map(str, family.zero_stages))
        raise TrainingError(
            f"train.zero_stage: {params.zero_stage}, but DeepSpeed trains a {family.model_type} with {allowed} only"
        )
    if params.offload == "all" and 3 not in family.zero_stages:
        raise TrainingError(
            f"train.offload: all, but that takes ZeRO 3, with which DeepSpeed cannot train a {family.model_type}: "
            "use optimizer or none"
        )
    num_parts = num_processes * (params.accumulation_steps or 1)
    if params.batch_size < num_parts:
        steps = f" x {params.accumulation_steps} accumulation steps" if params.accumulation_steps else ""
        raise TrainingError(
            f"train.batch_size: {params.batch_size}, must be at least {num_parts} ({num_processes} processes{steps})"
        )
    check_quantisation(params.adapter, zero_stage=params.zero_stage, offload=params.offload)
    if params.offload == "all" and params.zero_stage not in (None, 3):
        raise TrainingError(f"train.offload: all, but train.zero_stage: {params.zero_stage}: set it to 3 or to null")
    if params.offload == "optimizer" and params.zero_stage == 0:
        raise TrainingError("train.offload: optimizer, but train.zero_stage: 0: set it to 1, 2, 3 or to null")


def available_bytes(params: TrainParams, *, num_processes: int) -> int:
    """The memory for each process: what `params` says, else what is free on its GPU, or its share of this machine's."""
    if params.memory_gigabytes is not None:
        return int(params.memory_gigabytes * GIGABYTE)
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    return available_host_bytes(num_processes)


def available_host_bytes(num_processes: int) -> int:
    """A process's share of the memory that is free on this machine, or in this container."""
    lines = dict(line.split(":") for line in MEMORY_FILE.read_text(encoding="ascii").splitlines())
    free_bytes = int(lines["MemAvailable"].split()[0]) * 1024
    if LIMIT_FILE.is_file() and (limit := LIMIT_FILE.read_text(encoding="ascii").strip()).isdecimal():
        free_bytes = min(free_bytes, int(limit) - int(USED_FILE.read_text(encoding="ascii")))
    return free_bytes // int(os.environ.get("LOCAL_WORLD_SIZE", num_processes))


def explain(plan: Plan) -> str:
    """The plan for people: what is learnt, the ways considered with their gigabytes, and which one was chosen."""
    shown = plan.rows if len(plan.rows) <= MAX_ROWS_SHOWN else (*plan.rows[: MAX_ROWS_SHOWN - 1], plan.rows[-1])
    table = [HEADER, *(_cells(row) for row in shown)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    if len(shown) < len(plan.rows):
        lines.insert(MAX_ROWS_SHOWN, f"... and {len(plan.rows) - len(shown)} more that do not fit")
    load = plan.load
    return "\n".join(
        [
            plan.listings,
            f"a micro-batch has at most {load.text_tokens} tokens of text and {load.image_tokens} of images, of which "
            f"{load.answer_tokens} are learnt; {plan.size.num_trained:,} of {plan.size.num_all:,} weights are trained",
            f"gigabytes for each of {plan.num_processes} processes, {_has(plan)}:",
            *lines,
        ]
    )


def out_of_memory(plan: Plan) -> TrainingError:
    """What to say when the accelerator's memory was not enough after all."""
    chosen = plan.rows[-1]
    harder = {
        "accumulation_steps": chosen.way.accumulation_steps * 2,
        "gradient_checkpointing": "true",
    }
    if chosen.way.gradient_checkpointing:
        del harder["gradient_checkpointing"]
    named = " or ".join(f"train.{name}: {value}" for name, value in harder.items())
    return TrainingError(f"out of memory: {_needs(chosen)} by estimate, {_has(plan)}: set {named}, or {ADVICE}")


def _cells(row: Row) -> tuple[str, ...]:
    footprint = row.footprint
    held = (footprint.weights, footprint.gradients, footprint.optimizer, footprint.buffers)
    rest = (footprint.activations, footprint.logits, footprint.step, footprint.total, footprint.host)
    return (
        str(row.way.zero_stage),
        row.way.offload,
        str(row.way.accumulation_steps),
        "yes" if row.way.gradient_checkpointing else "no",
        *(f"{part / GIGABYTE:.3g}" for part in (*held, *rest)),
        f"{row.time:.2f}",
        "fits" if row.fits else "",
    )


def _needs(row: Row) -> str:
    way = row.way
    offload = "" if way.offload == "none" else f", offload of {way.offload}"
    checkpointing = ", gradient checkpointing" if way.gradient_checkpointing else ""
    host = f" and {_gigabytes(row.footprint.host)} of RAM" if row.footprint.host else ""
    return (
        f"ZeRO {way.zero_stage}{offload}, {way.accumulation_steps} accumulation steps{checkpointing} "
        f"takes {_gigabytes(row.footprint.total)}{host} per process"
    )


def _has(plan: Plan) -> str:
    return (
        f"{_gigabytes(plan.memory_bytes)} and {_gigabytes(plan.host_bytes)} of RAM are there, "
        f"{USABLE_SHARE:.0%} of them usable"
    )


def _gigabytes(num_bytes: float) -> str:
    gigabytes = num_bytes / GIGABYTE
    return f"{gigabytes:,.0f} GB" if gigabytes >= 100 else f"{gigabytes:.3g} GB"
