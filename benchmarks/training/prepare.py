"""Writes the shop of the benchmark and prints what it is, as a line of JSON."""

import json
import sys
from pathlib import Path

from benchmarks.training.shop import ModelSize, ShopSize, describe, write_shop

FEW_LAYERS = ModelSize(
    num_layers=4,
    width=256,
    inner_width=1024,
    num_heads=4,
    num_key_value_heads=2,
    rotated=(8, 12, 12),
    vision_num_layers=2,
    vision_width=128,
    vision_num_heads=4,
)
SIZE = ShopSize(num_trained=24, photograph_side_pixels=1600, model=FEW_LAYERS)


if __name__ == "__main__":
    print(json.dumps(describe(write_shop(Path(sys.argv[1]), size=SIZE))))
