"""All near-duplicate pairs by a peer, on one thread: `python peers.py TOOL HASHES.npy RADIUS NUM_ASKED` measures it."""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import faiss  # type: ignore[import-not-found]  # lives in the environment that this benchmark makes

Hashes = NDArray[np.uint64]


def faiss_flat(hashes: Hashes, radius: int, _: int) -> tuple[int, float]:
    """Every hash compared with every other."""
    import faiss

    return _faiss_pairs(faiss.IndexBinaryFlat(64), hashes, radius)


def faiss_multi_hash(hashes: Hashes, radius: int, _: int) -> tuple[int, float]:
    """One table more than the radius: of so many disjoint keys one is untouched, so no pair is missed."""
    import faiss

    return _faiss_pairs(faiss.IndexBinaryMultiHash(64, radius + 1, 64 // (radius + 1)), hashes, radius)


def bk_tree(hashes: Hashes, radius: int, num_asked: int) -> tuple[int, float]:
    """The tree of all hashes, asked for the first few only: all would take a quarter of an hour."""
    import pybktree  # type: ignore[import-not-found]  # lives in the environment that this benchmark makes

    started = time.process_time()
    tree = pybktree.BKTree(lambda a, b: (a ^ b).bit_count(), hashes.tolist())
    building = time.process_time() - started
    started = time.process_time()
    num_found = sum(len(tree.find(value, radius)) - 1 for value in hashes[:num_asked].tolist())
    asking = time.process_time() - started
    return num_found, building + asking * len(hashes) / num_asked


def _faiss_pairs(index: "faiss.IndexBinary", hashes: Hashes, radius: int) -> tuple[int, float]:
    import faiss

    faiss.omp_set_num_threads(1)
    codes = hashes.view(np.uint8).reshape(-1, 8)
    started = time.process_time()
    index.add(codes)
    limits, _, _ = index.range_search(codes, radius + 1)  # it finds what is nearer than that
    return (int(limits[-1]) - len(hashes)) // 2, time.process_time() - started


TOOLS: dict[str, Callable[[Hashes, int, int], tuple[int, float]]] = {
    "faiss-flat": faiss_flat,
    "faiss-multi-hash": faiss_multi_hash,
    "bk-tree": bk_tree,
}

if __name__ == "__main__":
    tool, path, radius, num_asked = sys.argv[1:]
    num_pairs, cpu_seconds = TOOLS[tool](np.load(path), int(radius), int(num_asked))
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"num_pairs": num_pairs, "cpu_seconds": cpu_seconds, "peak_gb": peak_gb}))
