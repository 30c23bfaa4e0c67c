"""CPU-seconds of a training step and peak memory: facetry beside a plain Trainer that pads and TRL, in one run."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "benchmarks" / "training"
NUM_ROUNDS = 3
NUM_WARM_UP_STEPS = 1
STEPS_PER_EPOCH = 2

TITLES = {
    "facetry": "facetry",
    "plain": "transformers' Trainer, padding",
    "trl": "TRL's SFTTrainer 1.16",
}
LADDER = {
    "plain": "padded rows, all logits",
    "plain_answers": "padded rows, answers' logits",
    "packed": "packed rows, answers' logits",
    "facetry": "the same with DeepSpeed, ZeRO 0",
    "facetry_sharing": "with ZeRO 1",
}
FROZEN = {"frozen": "seen each time", "frozen_cached": "features kept"}
PEERS = ("plain", "trl")
MIN_SPEED_UP = 2.0
MAX_MEMORY_SHARE = 1 / 3
MAX_PADDING = 0.05
MAX_DIFFERENCE = 1e-3
MIN_LOADING_SPEED_UP = 2.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step takes: CPU-seconds, and megabytes in all and beyond those of the loaded model."""

    seconds: float
    peak_megabytes: float
    growth_megabytes: float


def main() -> int:
    peers = install_peers()
    shop, seeing_shop = BUILD / "shop", BUILD / "seeing-shop"
    print(f"{run('prepare', 'few_layers', str(shop), peers=peers)}; fp32, one thread")
    run("prepare", "seeing", str(seeing_shop), peers=peers)
    costs = measure([*TITLES, *(name for name in LADDER if name not in TITLES)], shop=shop, peers=peers)
    findings = check(["plain", "facetry", "trl"], shop=shop, peers=peers)
    missed = print_contenders(costs, findings=findings)
    missed += print_equality(findings)
    print_ladder(costs)
    missed += print_packing(run("apart", "packing", str(shop), peers=peers), findings=findings)
    missed += print_features(seeing_shop, peers=peers)
    missed += print_images(run("apart", "images", str(shop), peers=peers))
    if missed:
        print(f"missed: {', '.join(missed)}")
    speed_up = min(costs[name].seconds for name in PEERS) / costs["facetry"].seconds
    print(f"training: {speed_up:.1f} (goal {MIN_SPEED_UP})")
    return 1 if missed else 0


def install_peers() -> Path:
    """The folder with TRL and what it needs beyond our own packages; kept between runs."""
    folder = BUILD / "peers"
    if not folder.exists():
        partial = BUILD / "peers.partial"
        shutil.rmtree(partial, ignore_errors=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        requirements = str(HERE / "requirements.txt")
        subprocess.run([*install, "--target", str(partial), "--requirement", requirements], check=True)
        partial.rename(folder)
    return folder


def run(module: str, *arguments: str, peers: Path) -> Any:  # noqa: ANN401 - whatever it prints
    """What a module of this benchmark prints last, in a process of its own with one thread."""
    environment = {
        **os.environ,
        **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")},
        "DS_ACCELERATOR": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{peers}",
    }
    command = [sys.executable, "-m", f"benchmarks.training.{module}", *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measure(names: Sequence[str], *, shop: Path, peers: Path) -> dict[str, Cost]:
    """The median cost of each contender over several rounds, in which they take turns."""
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for number in range(NUM_ROUNDS):
        for name in names:
            timing = run("contend", name, str(shop), peers=peers)
            peak = timing["peak_megabytes"]
            steps = timing["step_seconds"][NUM_WARM_UP_STEPS:]
            costs[name].append(Cost(statistics.mean(steps), peak, peak - timing["loaded_megabytes"]))
        print(f"round {number + 1} of {NUM_ROUNDS} done", file=sys.stderr)
    return {name: _median(of_name) for name, of_name in costs.items()}


def check(names: Sequence[str], *, shop: Path, peers: Path) -> dict[str, Any]:
    """What each contender learns, its gradients beside those of the first."""
    with tempfile.TemporaryDirectory() as folder:
        gradients = str(Path(folder) / "gradients.safetensors")
        return {name: run("contend", name, str(shop), "--check", gradients, peers=peers) for name in names}


def _median(costs: Sequence[Cost]) -> Cost:
    values = ([getattr(cost, name) for cost in costs] for name in Cost.__slots__)
    return Cost(*(statistics.median(each) for each in values))


def print_contenders(costs: Mapping[str, Cost], *, findings: Mapping[str, Any]) -> list[str]:
    """Print the table of contenders; the goals that are missed."""
    ours, missed = costs["facetry"], []
    print(f"{'':<32}{'CPU-s':>8}{'ours':>8}{'peak MB':>10}{'ours':>8}{'beyond':>10}{'ours':>8}{'padding':>9}")
    print(f"{'trainer':<32}{'a step':>8}{'is':>8}{'in all':>10}{'is':>8}{'the model':>10}{'is':>8}{'':>9}")
    for name, title in TITLES.items():
        cost = costs[name]
        speed_up, share = cost.seconds / ours.seconds, ours.growth_megabytes / cost.growth_megabytes
        print(
            f"{title:<32}{cost.seconds:>8.2f}{speed_up:>7.1f}x"
            f"{cost.peak_megabytes:>10,.0f}{ours.peak_megabytes / cost.peak_megabytes:>8.2f}"
            f"{cost.growth_megabytes:>10,.0f}{share:>8.2f}{padding(findings[name]):>9.1%}"
        )
        if name in PEERS and speed_up < MIN_SPEED_UP:
            missed.append(f"{speed_up:.1f} of {MIN_SPEED_UP} times as fast as {title}")
        if name in PEERS and share > MAX_MEMORY_SHARE:
            missed.append(f"{share:.2f} of {title}'s memory, not {MAX_MEMORY_SHARE:.2f}")
    return missed


def padding(found: Mapping[str, Any]) -> float:
    """The share of places that hold no token of any listing."""
    return 1 - float(found["num_tokens"]) / float(found["num_places"])


def print_equality(findings: Mapping[str, Any]) -> list[str]:
    """Print how losses and gradients differ from the plain Trainer's; the goals that are missed."""
    plain, missed = findings["plain"], []
    heading = f"differences in {len(plain['losses'])} steps"
    print(f"\n{heading:<32}{'learnt tokens':>15}{'loss':>10}{'norm':>10}{'1st gradient':>15}")
    for name, found in findings.items():
        differences = (
            largest_difference(found["losses"], plain["losses"]),
            largest_difference(found["norms"], plain["norms"]),
            float(found["gradient_difference"]),
        )
        loss, norm, gradient = differences
        print(f"{TITLES[name]:<32}{found['num_learnt_tokens']:>15,}{loss:>10.0e}{norm:>10.0e}{gradient:>15.0e}")
        if found["num_learnt_tokens"] != plain["num_learnt_tokens"] or max(differences) > MAX_DIFFERENCE:
            missed.append(f"{TITLES[name]} learns something else")
    return missed


def largest_difference(found: Sequence[float], expected: Sequence[float]) -> float:
    """The largest relative difference between two series."""
    return max(abs(one / other - 1) for one, other in zip(found, expected, strict=True))


def print_ladder(costs: Mapping[str, Cost]) -> None:
    print(f"\n{'one thing at a time':<32}{'CPU-s a step':>14}{'MB beyond the model':>22}")
    for name, title in LADDER.items():
        print(f"{title:<32}{costs[name].seconds:>14.2f}{costs[name].growth_megabytes:>22,.0f}")


def print_packing(packing: Mapping[str, float], *, findings: Mapping[str, Any]) -> list[str]:
    """Print how much of a batch is padding, and that it changes nothing; the goals that are missed."""
    ours, plain, difference = padding(findings["facetry"]), padding(findings["plain"]), packing["difference"]
    print(f"\npadding: {ours:.1%} (goal {MAX_PADDING:.0%}), {plain:.1%} when rows are padded")
    print(f"loss of a packed listing: differs from its loss alone by {difference:.0e} of it at most")
    missed = [f"padding {ours:.1%}"] if ours >= MAX_PADDING else []
    return [*missed, "losses of packed listings"] if difference > MAX_DIFFERENCE else missed


def print_features(shop: Path, *, peers: Path) -> list[str]:
    """Print what epochs take with a frozen vision tower; the goals that are missed."""
    epochs = {}
    for name in FROZEN:
        seconds = run("contend", name, str(shop), peers=peers)["step_seconds"]
        starts = range(0, len(seconds), STEPS_PER_EPOCH)
        epochs[name] = [sum(seconds[start : start + STEPS_PER_EPOCH]) for start in starts]
        told = "".join(f"{each:>8.2f}" for each in epochs[name])
        print(f"vision frozen, {FROZEN[name]:<17}{told} CPU-s an epoch")
    later = {name: statistics.mean(of_name[1:]) for name, of_name in epochs.items()}
    return ["kept features"] if later["frozen_cached"] >= later["frozen"] else []


def print_images(images: Mapping[str, float]) -> list[str]:
    """Print how fast photographs are loaded; the goals that are missed."""
    ours, theirs = images["ours"], images["peers"]
    print(f"images per CPU-second: {ours:.0f}, Pillow and transformers' processor {theirs:.0f}, ours is ", end="")
    print(f"{ours / theirs:.1f}x (goal {MIN_LOADING_SPEED_UP})")
    return [f"loading {ours / theirs:.1f} of {MIN_LOADING_SPEED_UP}"] if ours / theirs < MIN_LOADING_SPEED_UP else []


if __name__ == "__main__":
    sys.exit(main())
