"""How examples are fetched for the accelerator."""

from typing import Any

import torch

NUM_WORKERS = 4
NUM_BATCHES_AHEAD = 4


def loading() -> dict[str, Any]:
    """A DataLoader's options: processes decode pictures beside each GPU; without one, the cores are busy already."""
    if not torch.cuda.is_available():
        return {}
    return {
        "num_workers": NUM_WORKERS,
        "prefetch_factor": NUM_BATCHES_AHEAD,
        "multiprocessing_context": "spawn",
        "pin_memory": True,
        "persistent_workers": True,
    }
