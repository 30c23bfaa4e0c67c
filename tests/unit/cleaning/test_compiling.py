"""What is compiled is kept for the next process where that can be, and compiled again where it cannot."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import facetry

MODULES = ("__init__.py", "errors.py", "cleaning/compiling.py", "cleaning/near_duplicates.py", "cleaning/pixels.py")
SEARCH_AND_MEASURE = """
import numpy
from facetry.cleaning import near_duplicates, pixels
print(near_duplicates.near_pairs(numpy.array([1, 3, 2**60], dtype=numpy.uint64), radius=1).clusters().tolist())
print(pixels.measure(numpy.full((40, 50), 7, dtype=numpy.uint8)).cells.mean())
kernels = (near_duplicates._search, near_duplicates._components, pixels._contrast, pixels._cell_means)
print("kept" if all(kernel.stats.cache_hits for kernel in kernels) else "compiled")
"""
FOUND = "[0, 0, 2]\n7.0\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder of a package that has what is compiled, and nothing else."""
    folder = tmp_path / "facetry"
    (folder / "cleaning").mkdir(parents=True)
    for name in MODULES:
        shutil.copy(Path(facetry.__file__).parent / name, folder / name)
    return folder


def search_and_measure(package: Path) -> str:
    """What a process prints that can write to the package's folder at most."""
    environment = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"}
    command = [sys.executable, "-c", SEARCH_AND_MEASURE]
    done = subprocess.run(command, env=environment, cwd=package.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_next_process_uses_what_the_first_has_compiled(package: Path) -> None:
    assert search_and_measure(package) == f"{FOUND}compiled\n"
    assert search_and_measure(package) == f"{FOUND}kept\n"


def test_where_no_folder_can_be_written_the_process_compiles_for_itself(package: Path) -> None:
    (package / "cleaning/__pycache__").touch()  # a file, so that not even root can make this folder
    assert search_and_measure(package) == f"{FOUND}compiled\n"
    assert not list(package.rglob("*.nb?"))
