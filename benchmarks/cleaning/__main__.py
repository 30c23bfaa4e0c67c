"""Images per CPU-second: facetry's whole cleaning beside its peers, on the same JPEGs of 800 pixels, in one run."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "benchmarks" / "cleaning"
NUM_IMAGES = 3000
SIDE_PIXELS = 800
JPEG_QUALITY = 85
NUM_ROUNDS = 3
IMAGEDEDUP = "imagededup==0.3.3.post2"

TITLES = {
    "facetry": "facetry",
    "imagededup": "imagededup",
    "script": "PIL + OpenCV",
    "cleanvision": "cleanvision",
    "decode_half": "decode at half scale",
    "decode_full": "decode at full scale",
}
PEERS = ("imagededup", "script", "cleanvision")
GOALS = {"cleanvision": 12.0, "imagededup": 4.0, "script": 8.0, "decode_half": 0.65}


def main() -> int:
    images = draw_images()
    peers_python = make_peers_environment()
    seconds = dict.fromkeys(TITLES, float("inf"))
    for number in range(NUM_ROUNDS):
        for name in TITLES:
            python = peers_python if name in PEERS else Path(sys.executable)
            seconds[name] = min(seconds[name], run(name, python=python, images=images))
        print(f"round {number + 1} of {NUM_ROUNDS} done", file=sys.stderr)
    ratios = {name: seconds[name] / seconds["facetry"] for name in TITLES}
    num_kilobytes = sum(path.stat().st_size for path in images.iterdir()) / NUM_IMAGES / 1000
    print(f"{NUM_IMAGES} JPEGs of {SIDE_PIXELS} pixels, quality {JPEG_QUALITY}, {num_kilobytes:.0f} KB each")
    print_table(seconds, ratios=ratios)
    missed = [f"{TITLES[name]} {ratios[name]:.2f} of {goal}" for name, goal in GOALS.items() if ratios[name] < goal]
    if missed:
        print(f"missed: {', '.join(missed)}")
    print(f"cleaning: {ratios['imagededup']:.1f} (goal {GOALS['imagededup']})")
    return 1 if missed else 0


def draw_images() -> Path:
    """The folder of sound pictures, one of each listing, as a shop serves what a camera took; kept between runs."""
    from facetry.config import DrawParams
    from facetry.synthetic import draw_listings

    folder, drawn = BUILD / "images", BUILD / "drawn"
    if not folder.exists():
        shutil.rmtree(drawn, ignore_errors=True)
        drawn.mkdir(parents=True)
        params = DrawParams(
            # A hundredth of the listings has no image.
            num_listings=NUM_IMAGES * 102 // 100,
            image_side_pixels=SIDE_PIXELS * 2,
            max_images_per_listing=1,
            blurred_share=0,
            tiny_share=0,
            corrupt_share=0,
            duplicate_share=0,
        )
        draw_listings(drawn, params=params)
        shrunk = drawn / "shrunk"
        shrunk.mkdir()
        paths = sorted(drawn.glob("images/**/*.jpg"))[:NUM_IMAGES]
        with ProcessPoolExecutor() as pool:
            list(pool.map(shrink, paths, [shrunk / path.name for path in paths], chunksize=20))
        shrunk.rename(folder)
        shutil.rmtree(drawn)
    return folder


def shrink(source: Path, target: Path) -> None:
    """Half the size, as shops do: that halves the grain too, on which a decoder would spend most of its time."""
    with Image.open(source) as image:
        image.reduce(2).save(target, "JPEG", quality=JPEG_QUALITY)


def make_peers_environment() -> Path:
    """The Python of the environment with the peers in it; kept between runs."""
    folder = BUILD / "venv"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", str(HERE / "requirements.txt")], check=True)
        subprocess.run([*install, "--no-deps", IMAGEDEDUP], check=True)
        (folder / "complete").touch()
    return python


def run(name: str, *, python: Path, images: Path) -> float:
    """The CPU seconds of one contender in a process of its own, with one thread."""
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")}
    command = [str(python), str(HERE / "contenders.py"), name, str(images)]
    done = subprocess.run(command, env=os.environ | one_thread, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def print_table(seconds: Mapping[str, float], *, ratios: Mapping[str, float]) -> None:
    print(f"{'tool':<22}{'images/CPU-s':>12}{'ours is':>14}")
    for name, title in TITLES.items():
        compared = f"{ratios[name]:.2f} of it" if name.startswith("decode") else f"{ratios[name]:.1f}x"
        print(f"{title:<22}{NUM_IMAGES / seconds[name]:>12.0f}{compared:>14}")


if __name__ == "__main__":
    sys.exit(main())
