"""All near-duplicate pairs among many 64-bit hashes: facetry alone at scale, and beside its peers at 100,000.

Each row is measured in a process of its own. Random hashes are joined by copies of a hundredth of them, with up to six
bits turned. Machine code is made before the clock starts, and told apart.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
PEERS_ENVIRONMENT = HERE.parent.parent / "build" / "benchmarks" / "near_duplicates"
PEERS_PYTHON = PEERS_ENVIRONMENT / "bin" / "python"
RADIUS = 4
BESIDE_PEERS = 100_000
BK_TREE_ASKED = 200  # all of them would take it a quarter of an hour
GOALS = {10_000_000: (10.0, 1.0), 100_000_000: (150.0, 4.0)}  # CPU-seconds and GB by number of hashes


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one tool took for all pairs; `compile_seconds` came before."""

    num_pairs: int
    cpu_seconds: float
    peak_gb: float
    compile_seconds: float = 0.0
    num_pairs_of_first: int = 0


def draw_hashes(num: int, *, num_identical: int = 0) -> NDArray[np.uint64]:
    """Random hashes, a hundredth of them near another, and some all the same, in no order."""
    rng = np.random.default_rng(num)
    hashes = rng.integers(0, 2**64, num, dtype=np.uint64)
    copies = hashes[: num // 100].copy()
    for _ in range(6):
        copies ^= rng.integers(0, 2, len(copies), dtype=np.uint64) << rng.integers(0, 64, len(copies), dtype=np.uint64)
    hashes[num // 100 : num // 100 + len(copies)] = copies
    hashes[num - num_identical :] = 0
    rng.shuffle(hashes)
    return hashes


def measure_facetry(path: Path, *, num_first: int) -> Measurement:
    """The pairs of the hashes in a file, and how many of them one of the first few hashes is in, each counted."""
    from facetry.cleaning.near_duplicates import near_pairs

    started = time.process_time()
    near_pairs(np.arange(100, dtype=np.uint64), radius=RADIUS)
    compiled = time.process_time()
    hashes = np.load(path)
    ready = time.process_time()
    pairs = near_pairs(hashes, radius=RADIUS)
    done = time.process_time()
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    num_of_first = int((pairs.earlier < num_first).sum() + (pairs.later < num_first).sum())
    return Measurement(len(pairs.earlier), done - ready, peak_gb, compiled - started, num_of_first)


def run_facetry(hashes: NDArray[np.uint64], *, folder: Path, num_first: int = 0) -> Measurement:
    np.save(folder / "hashes.npy", hashes)
    return _run([sys.executable, str(HERE), "--measure", str(folder / "hashes.npy"), "--first", str(num_first)])


def run_peer(tool: str, *, folder: Path) -> Measurement:
    """A peer on the hashes that facetry was run on last."""
    return _run(
        [str(PEERS_PYTHON), str(HERE / "peers.py"), tool, str(folder / "hashes.npy"), str(RADIUS), str(BK_TREE_ASKED)]
    )


def _run(command: list[str]) -> Measurement:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return Measurement(**json.loads(done.stdout.splitlines()[-1]))


def make_peers_environment() -> None:
    if not PEERS_PYTHON.exists():
        venv.create(PEERS_ENVIRONMENT, with_pip=True)
    requirements = str(HERE / "requirements.txt")
    subprocess.run([PEERS_PYTHON, "-m", "pip", "install", "-qq", "-r", requirements], check=True)


def compare_with_peers(folder: Path) -> None:
    """Print a row for each tool; all of them must find the same pairs."""
    make_peers_environment()
    # peers tell equal hashes as pairs too, so all differ here
    hashes = np.random.default_rng(0).permutation(np.unique(draw_hashes(BESIDE_PEERS)))
    ours = run_facetry(hashes, folder=folder, num_first=BK_TREE_ASKED)
    print(f"{len(hashes):,} hashes      CPU-s   peak GB     pairs   ours is")
    print(f"{'facetry':18}{ours.cpu_seconds:>9.2f}{ours.peak_gb:>10.2f}{ours.num_pairs:>10,}")
    for tool in ("faiss-multi-hash", "faiss-flat", "bk-tree"):
        peer = run_peer(tool, folder=folder)
        expected = ours.num_pairs_of_first if tool == "bk-tree" else ours.num_pairs
        if peer.num_pairs != expected:
            sys.exit(f"{tool} finds {peer.num_pairs} pairs, facetry {expected}")
        times = f"{peer.cpu_seconds / ours.cpu_seconds:,.0f}x"
        note = f"  ({BK_TREE_ASKED} hashes asked for, time for all estimated)" if tool == "bk-tree" else ""
        print(
            f"{tool:18}{peer.cpu_seconds:>9.2f}{peer.peak_gb:>10.2f}{peer.num_pairs:>10,}{times:>10}{note}", flush=True
        )


def measure_at_scale(num: int, *, folder: Path) -> tuple[float, bool]:
    """Print a row with and one without a tenth identical; the worse CPU-seconds and whether the goals are kept."""
    goal_seconds, goal_gb = GOALS[num]
    worst, kept = 0.0, True
    for name, num_identical in (("all random", 0), ("a tenth identical", num // 10)):
        found = run_facetry(draw_hashes(num, num_identical=num_identical), folder=folder)
        print(
            f"{num:>11,} {name:18}{found.cpu_seconds:>8.1f}{goal_seconds:>7.0f}{found.peak_gb:>9.2f}{goal_gb:>6.0f}"
            f"{found.num_pairs:>11,}{found.compile_seconds:>11.1f}",
            flush=True,
        )
        worst = max(worst, found.cpu_seconds)
        kept = kept and found.cpu_seconds < goal_seconds and found.peak_gb < goal_gb
    return worst, kept


def main() -> None:
    parser = argparse.ArgumentParser(prog="near_duplicates")
    parser.add_argument("--quick", action="store_true", help="leave 100 million hashes out")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        found = measure_facetry(chosen.measure, num_first=chosen.first)
        print(json.dumps({name: getattr(found, name) for name in Measurement.__slots__}))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare_with_peers(Path(folder))
        print(f"\n{'hashes':>11} {'':18}{'CPU-s':>8}{'goal':>7}{'peak GB':>9}{'goal':>6}{'pairs':>11}{'compile-s':>11}")
        sizes = [num for num in GOALS if not (chosen.quick and num > 10_000_000)]
        results = {num: measure_at_scale(num, folder=Path(folder)) for num in sizes}
    print(f"near_duplicates: {results[10_000_000][0]:.1f} (goal {GOALS[10_000_000][0]:.0f})")
    sys.exit(not all(kept for _, kept in results.values()))


if __name__ == "__main__":
    main()
