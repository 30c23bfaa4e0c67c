"""One contender over one folder of JPEGs in a process of its own: prints the CPU seconds that the images took.

Runs in the peers' environment too, so what belongs to one contender is imported by that contender alone.
"""

import importlib
import resource
import sys
import types
from collections.abc import Callable
from pathlib import Path

NUM_WARM_UP = 20


def facetry(paths: list[Path]) -> None:
    """Every check of an image, and the search for duplicates."""
    from facetry.cleaning.appearance import look_at, warm_up
    from facetry.cleaning.findings import WITHOUT, find_faults, tabulate
    from facetry.cleaning.near_duplicates import near_pairs
    from facetry.config import CleanParams

    params = CleanParams()
    warm_up()
    seen = tabulate(look_at(path.read_bytes(), params=params) for path in paths)
    if (find_faults(seen, params=params) != WITHOUT).any():
        raise ValueError("a sound picture was rejected")
    near_pairs(seen["fingerprint"].to_numpy(), radius=params.duplicate_radius).nearest_survivors()


def cleanvision(paths: list[Path]) -> None:
    """Its checks for blur, odd size, exact and near duplicates."""
    lab = importlib.import_module("cleanvision").Imagelab(filepaths=[str(path) for path in paths])
    wanted: dict[str, dict[str, object]] = {
        name: {} for name in ("blurry", "odd_size", "exact_duplicates", "near_duplicates")
    }
    lab.find_issues(wanted, n_jobs=1, verbose=False)


def imagededup(paths: list[Path]) -> None:
    """Its perceptual hashes alone."""
    # Its packages import torch for another method as soon as they are imported; bare packages in their place let the
    # hashing module, and what that needs, be imported as they are.
    folder = Path(importlib.import_module("imagededup").__path__[0])
    for name in ("methods", "utils"):
        package = types.ModuleType(f"imagededup.{name}")
        package.__path__ = [str(folder / name)]
        sys.modules[package.__name__] = package
    hasher = importlib.import_module("imagededup.methods.hashing").PHash(verbose=False)
    for path in paths:
        hasher.encode_image(image_file=path)


def script(paths: list[Path]) -> None:
    """What report 001 describes: a pass for duplicates by difference hash, then one for blur, size and corruption."""
    import cv2
    import numpy as np
    from PIL import Image

    cv2.setNumThreads(1)
    hashes: dict[bytes, Path] = {}
    for path in paths:
        with Image.open(path) as picture:
            small = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.LANCZOS))
        hashes.setdefault(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), path)
    for path in paths:
        with Image.open(path) as picture:
            picture.verify()
        image = cv2.imread(str(path))
        if image is None:
            raise ValueError("a sound picture was rejected")
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        _ = cv2.Laplacian(grey, cv2.CV_64F).var() < 60 or min(grey.shape) < 300


def decode_half(paths: list[Path]) -> None:
    """Reading and decoding in grey at half scale, as facetry does, and nothing else."""
    import simplejpeg

    for path in paths:
        simplejpeg.decode_jpeg(path.read_bytes(), colorspace="GRAY", min_height=400, min_factor=2)


def decode_full(paths: list[Path]) -> None:
    """Reading and decoding in grey at full scale, and nothing else."""
    import simplejpeg

    for path in paths:
        simplejpeg.decode_jpeg(path.read_bytes(), colorspace="GRAY")


CONTENDERS: dict[str, Callable[[list[Path]], None]] = {
    contender.__name__: contender for contender in (facetry, imagededup, script, cleanvision, decode_half, decode_full)
}


def cpu_seconds() -> float:
    """User and system seconds of this process and of those that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    contend, folder = CONTENDERS[sys.argv[1]], Path(sys.argv[2])
    paths = sorted(folder.rglob("*.jpg"))
    contend(paths[:NUM_WARM_UP])
    start = cpu_seconds()
    contend(paths)
    print(cpu_seconds() - start)


if __name__ == "__main__":
    main()
