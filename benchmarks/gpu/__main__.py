"""Seconds of a training step and use of the GPU: facetry beside its peers, on a Qwen2-VL of 2B in bf16, in minutes.

For a node with GPUs, which may have no network: what `requirements.txt` names is looked for and never installed, and a
contender that lacks something is left out and named. With `--smoke` a small model shows on a CPU that all of it runs.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "benchmarks" / "gpu"
NUM_WARM_UP_STEPS = 3
MIN_SPEED_UP = 1.5
MIN_UTILISATION = 0.45
LEAST_SECONDS, MOST_SECONDS = 20, 150
"""What a command is started with, and when it is given up, so that the others have their turn."""
PACKAGES = ("torch", "transformers", "deepspeed", "trl")


@dataclass(frozen=True, slots=True)
class Contender:
    """What is run, and the packages without which it cannot be."""

    title: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    num_ranks: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the measured steps; `utilisation` is the share of what the GPUs can reckon, where that is known."""

    title: str
    seconds: float
    gigabytes: float
    utilisation: float | None
    first_loss: float
    first_norm: float


def contenders(num_gpus: int) -> list[Contender]:
    alone = [
        Contender("facetry", ("facetry",), needs=("deepspeed",)),
        Contender("facetry's rows and loss in transformers' Trainer", ("packed",)),
        Contender("transformers' Trainer, padding", ("plain",)),
        Contender("TRL's SFTTrainer", ("trl",), needs=("trl", "datasets")),
    ]
    shared = [
        Contender(
            f"facetry, {num_gpus} GPUs, ZeRO {stage}",
            ("facetry", "--zero-stage", str(stage)),
            needs=("deepspeed",),
            num_ranks=num_gpus,
        )
        for stage in (1, 2, 3)
    ]
    return alone + (shared if num_gpus > 1 else [])


def main() -> int:
    parser = argparse.ArgumentParser(prog="gpu", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small model, on the CPU if there is no GPU")
    parser.add_argument("--minutes", type=float, default=9.0, help="when to stop, whatever is left to measure")
    parser.add_argument("--out", type=Path, help="a file for the report in Markdown")
    chosen = parser.parse_args()
    deadline = time.monotonic() + chosen.minutes * 60
    gpus = find_gpus()
    if not gpus and not chosen.smoke:
        sys.exit("benchmarks/gpu needs a GPU and finds none: run it on a node that has one, or with --smoke")
    shop = str(BUILD / ("smoke" if chosen.smoke else "shop"))
    smoke = ("--smoke",) if chosen.smoke else ()
    described = run(["-m", "benchmarks.gpu.prepare", shop, *smoke], deadline=deadline)
    if isinstance(described, Skipped):
        sys.exit(f"the shop could not be made: {described.reason}")
    results, skipped = [], []
    for contender in contenders(len(gpus)):
        found = compete(contender, shop=shop, smoke=smoke, deadline=deadline)
        if isinstance(found, Skipped):
            skipped.append(f"skipped: {contender.title}: {found.reason}")
        else:
            results.append(summarise(contender, found))
        print(skipped[-1] if isinstance(found, Skipped) else f"done: {contender.title}", file=sys.stderr, flush=True)
    text = "\n".join([*heading(gpus, described=described), *table(results), "", *skipped])
    print(text)
    if chosen.out is not None:
        chosen.out.write_text(text + "\n", encoding="utf-8")
    return verdict(results, is_smoke=chosen.smoke)


def find_gpus() -> list[str]:
    """The names of the GPUs of this node."""
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why something was not measured."""

    reason: str


def compete(contender: Contender, *, shop: str, smoke: Sequence[str], deadline: float) -> Any:  # noqa: ANN401
    """What a contender printed, or why it did not."""
    if missing := [name for name in contender.needs if not is_installed(name)]:
        return Skipped(f"{', '.join(missing)} not installed")
    name, *options = contender.arguments
    command = ["-m", "benchmarks.gpu.contend", name, shop, *options, *smoke]
    if contender.num_ranks > 1:  # DDP would slow down a peer that finds itself a rank, even if it is the only one
        ranks = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={contender.num_ranks}"]
        command = [*ranks, *command]
    return run(command, deadline=deadline)


def is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def run(arguments: Sequence[str], *, deadline: float) -> Any:  # noqa: ANN401 - whatever it prints
    """What a Python command prints last, as JSON; `Skipped` when it fails or the time is up."""
    left = deadline - time.monotonic()
    if left < LEAST_SECONDS:
        return Skipped("the time is up")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "TOKENIZERS_PARALLELISM": "false",
    }
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        told, complaints = process.communicate(timeout=min(left, MOST_SECONDS))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # ranks that live on would keep their memory
        process.communicate()
        return Skipped("it took too long")
    if process.returncode:
        print(complaints[-4000:], file=sys.stderr)
        return Skipped(f"it failed: {last_line(complaints, having='Error')}")
    return json.loads(last_line(told))


def last_line(text: str, *, having: str = "") -> str:
    lines = [line for line in text.strip().splitlines() if having in line]
    return lines[-1] if lines else ""


def summarise(contender: Contender, found: Mapping[str, Any]) -> Result:
    seconds = found["step_seconds"][NUM_WARM_UP_STEPS:]
    peak = found["peak_operations"]
    needed = sum(found["step_operations"][NUM_WARM_UP_STEPS:])
    return Result(
        contender.title,
        seconds=statistics.median(seconds),
        gigabytes=found["peak_bytes"] / 1e9,
        utilisation=needed / sum(seconds) / peak / contender.num_ranks if peak else None,
        first_loss=found["losses"][0],
        first_norm=found["norms"][0],
    )


def heading(gpus: Sequence[str], *, described: str) -> list[str]:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES if is_installed(name))
    hardware = f"{len(gpus)} x {gpus[0]}" if gpus else "no GPU: this is a test of the script, its numbers mean nothing"
    return [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {hardware}; {versions}.",
        f"{described}; {'bf16' if gpus else 'fp32'}.",
        "Utilisation counts the matrix products that a step cannot do without, against the data sheet's dense bf16.",
        "",
    ]


def table(results: Sequence[Result]) -> list[str]:
    """A table in Markdown; speed and differences are beside the plain Trainer."""
    plain = next((result for result in results if is_plain(result)), None)
    lines = [
        "| trainer | s/step | times as fast | peak GB | utilisation | first loss differs | its gradient differs |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        speed_up = f"{plain.seconds / result.seconds:.2f}" if plain else "-"
        utilisation = f"{result.utilisation:.2f}" if result.utilisation is not None else "-"
        loss, norm = (f"{each:.0e}" for each in differences(result, plain)) if plain else ("-", "-")
        lines.append(
            f"| {result.title} | {result.seconds:.3f} | {speed_up} | {result.gigabytes:.1f} | {utilisation} | {loss} "
            f"| {norm} |"
        )
    return lines


def is_plain(result: Result) -> bool:
    return result.title.startswith("transformers'")


def differences(result: Result, plain: Result) -> tuple[float, float]:
    """The relative differences of the first loss and the first gradient's norm; later ones differ by the optimizer."""
    return abs(result.first_loss / plain.first_loss - 1), abs(result.first_norm / plain.first_norm - 1)


def verdict(results: Sequence[Result], *, is_smoke: bool) -> int:
    """Print the goals and what was reached; 1 when one is missed, or when there is nothing to compare."""
    plain = next((result for result in results if is_plain(result)), None)
    ours = next((result for result in results if result.title.startswith("facetry")), None)
    if plain is None or ours is None:
        print("gpu: nothing to compare")
        return 1
    speed_up, utilisation = plain.seconds / ours.seconds, ours.utilisation or 0.0
    print(f"gpu: {speed_up:.2f} (goal {MIN_SPEED_UP}); utilisation {utilisation:.2f} (goal {MIN_UTILISATION})")
    return 0 if is_smoke or (speed_up >= MIN_SPEED_UP and utilisation >= MIN_UTILISATION) else 1


if __name__ == "__main__":
    sys.exit(main())
