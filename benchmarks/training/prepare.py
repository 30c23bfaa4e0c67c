"""Writes a shop of the benchmark and prints what it is, as a line of JSON."""

import json
import sys
from dataclasses import replace
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
# The layers of the vision tower are half of those of the language model, in weights, as in Qwen2-VL-2B.
SEEING = replace(FEW_LAYERS, vision_num_layers=4, vision_width=192)
MODELS = {"few_layers": FEW_LAYERS, "seeing": SEEING}


def main(name: str, folder: Path) -> None:
    size = ShopSize(num_trained=16, photograph_side_pixels=1600, model=MODELS[name])
    print(json.dumps(describe(write_shop(folder, size=size))))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
