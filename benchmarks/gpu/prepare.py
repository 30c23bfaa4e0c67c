"""Writes the shop of the benchmark and prints what it is, as a line of JSON."""

import json
import sys
from pathlib import Path

from benchmarks.gpu.sizes import shop_size
from benchmarks.training.shop import describe, write_shop

if __name__ == "__main__":
    is_smoke = "--smoke" in sys.argv[2:]
    print(json.dumps(describe(write_shop(Path(sys.argv[1]), size=shop_size(is_smoke=is_smoke)))))
