"""Which facetry runs: its version and a digest of its files, so that a cached output of other code is never reused."""

import hashlib
import os
from pathlib import Path

from facetry import __version__

PACKAGE = Path(__file__).parent
COMPILED = "__pycache__"


def code_revision(package: Path = PACKAGE) -> str:
    """The version and twelve digits that change whenever a file of the package does, as in `0.1.0+3f9c2a71be04`."""
    digest = hashlib.sha256()
    folders = os.walk(package, followlinks=True)
    paths = (Path(folder, name) for folder, _, names in folders for name in names)
    for path in sorted(path for path in paths if path.parent.name != COMPILED):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(package).as_posix()} {content}\n".encode())
    return f"{__version__}+{digest.hexdigest()[:12]}"
