"""A real container engine for tests: podman, a base image of the distribution's packages, our images on it."""

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = ("podman", "buildah", "runc", "mmdebstrap")
BASE_IMAGE = "localhost/facetry-test-base:bookworm-git"
TAG = "test"
BASE_PACKAGES = "python3,python3-venv,python-is-python3,libpython3.11,ca-certificates,git"
PIP_KEYS = ("cert", "find-links", "index-url", "extra-index-url", "trusted-host", "timeout")
CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
"""


def missing_programs() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


@dataclass(frozen=True, slots=True)
class Podman:
    """The engine, with a folder for its configuration."""

    folder: Path

    @classmethod
    def set_up(cls, folder: Path) -> "Podman":
        (folder / "containers.conf").write_text(CONFIGURATION, encoding="utf-8")
        return cls(folder)

    def __call__(self, *arguments: str | Path) -> str:
        """What podman prints; an AssertionError with its complaint when it fails."""
        finished = self.attempt(*arguments)
        assert finished.returncode == 0, f"podman {arguments[0]}: {finished.stdout[-3000:]}{finished.stderr[-3000:]}"
        return finished.stdout.strip()

    def attempt(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["podman", *arguments], env=self._environment(), capture_output=True, text=True, check=False
        )

    def make_base_image(self) -> None:
        """A Python on the distribution's packages, where there is none yet; no registry is asked."""
        if self.attempt("image", "exists", BASE_IMAGE).returncode == 0:
            return
        archive = self.folder / "base.tar"
        options = ["--quiet", "--variant=minbase", f"--include={BASE_PACKAGES}"]
        subprocess.run(["mmdebstrap", *options, "bookworm", str(archive)], check=True, capture_output=True)
        self("import", archive, BASE_IMAGE)
        archive.unlink()

    def build(self, name: str) -> str:
        """The image of a Containerfile, built as a user would, with this machine's way to its package index."""
        settings = _pip_settings()
        pip_configuration = self.folder / "pip.conf"
        pip_configuration.write_text("[global]\n" + "".join(f"{key} = {settings[key]}\n" for key in settings), "utf-8")
        finished = subprocess.run(
            [
                *(REPOSITORY / "components" / "images" / "build", name),
                *("--pull=never", "--network=host", "--build-arg", f"BASE_IMAGE={BASE_IMAGE}"),
                *(f"--volume={path}:{path}:ro" for path in _local_paths(settings)),
            ],
            env={**self._environment(), "TAG": TAG, "PIP_CONFIG_FILE": str(pip_configuration)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, f"building {name}: {finished.stdout[-3000:]}{finished.stderr[-3000:]}"
        return f"localhost/facetry-{name}:{TAG}"

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}


def _pip_settings() -> dict[str, str]:
    """How pip reaches its packages on this machine, from its files and its environment."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = [line.partition("=") for line in listed.splitlines()]
    settings = {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, _, value in pairs}
    return {key: " ".join(settings[key].split()) for key in PIP_KEYS if key in settings}


def _local_paths(settings: dict[str, str]) -> set[str]:
    """The folders and files of this machine that the settings name; an index lies beside the files it lists."""
    words = [word for key in PIP_KEYS for word in settings.get(key, "").split()]
    indexes = {str(Path(urlsplit(word).path).parent) for word in words if word.startswith("file://")}
    return indexes | {word for word in words if word.startswith("/")}
