"""Writes the models of this benchmark."""

import sys
from pathlib import Path

from benchmarks.decoding.model import write_models

if __name__ == "__main__":
    write_models(Path(sys.argv[1]))
