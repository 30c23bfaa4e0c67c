"""What this machine has, what it lacks, and how to mend it."""

import importlib.util
import os
import platform
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from facetry.config import ServeParams
from facetry.errors import ServingError
from facetry.triton.install import find_triton

GIB = 2**30
MIN_PYTHON = (3, 11)
MIN_MEMORY_BYTES = 6 * GIB
MIN_DISK_BYTES = 10 * GIB
MIN_SHARED_MEMORY_BYTES = GIB // 4
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Triton's Python backend puts tensors
ANSWER_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for, what was found, and, if that is a lack, its mend."""

    name: str
    ok: bool
    found: str
    mend: str | None = None


def diagnose(params: ServeParams) -> list[Finding]:
    """Everything worth knowing of this machine, in a few seconds and without loading a model library."""
    return [
        _python(),
        _packages(),
        _processors(),
        _accelerator(),
        _disk(),
        _triton(Path(params.environment)),
        _shared_memory(),
        _helm(),
        _object_storage(),
    ]


def _finding(name: str, *, ok: bool, found: str, mend: str) -> Finding:
    return Finding(name, ok, found, None if ok else mend)


def _python() -> Finding:
    needed = ".".join(map(str, MIN_PYTHON))
    found = platform.python_version()
    ok = tuple(map(int, found.split(".")[:2])) >= MIN_PYTHON
    return _finding("Python", ok=ok, found=found, mend=f"install Python {needed} or newer, then run `make setup`")


def _packages() -> Finding:
    needed = ("torch", "transformers", "deepspeed", "pyarrow", "kfp", "tritonclient")
    lacking = [name for name in needed if importlib.util.find_spec(name) is None]
    found = f"no {', '.join(lacking)}" if lacking else "all there"
    return _finding(
        "packages", ok=not lacking, found=found, mend="run `make setup`, or install facetry with its extras"
    )


def _processors() -> Finding:
    cores = len(os.sched_getaffinity(0))
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return _finding(
        "processor",
        ok=memory_bytes >= MIN_MEMORY_BYTES,
        found=f"{cores} cores, {_gib(memory_bytes)} of memory",
        mend=f"give it {_gib(MIN_MEMORY_BYTES)} of memory, or lower train.batch_size",
    )


def _accelerator() -> Finding:
    names = _ask("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    found = "; ".join(names.splitlines()) if names else "none: training and serving run on the CPU"
    return Finding("accelerator", ok=True, found=found)


def _disk() -> Finding:
    free_bytes = shutil.disk_usage(Path.cwd()).free
    return _finding(
        "disk",
        ok=free_bytes >= MIN_DISK_BYTES,
        found=f"{_gib(free_bytes)} free",
        mend=f"free {_gib(MIN_DISK_BYTES)}: the environments alone take 5 GiB",
    )


def _triton(environment: Path) -> Finding:
    try:
        install = find_triton(environment)
    except ServingError as error:
        problem, _, mend = str(error).rpartition(": ")
        return Finding("Triton", ok=False, found=problem, mend=mend)
    place = "on PATH" if install.wheel is None else f"in {environment}"
    return Finding("Triton", ok=True, found=f"{place} ({install.executable})")


def _shared_memory() -> Finding:
    name = "shared memory"
    mend = f"mount {SHARED_MEMORY} with at least 256 MiB, as in `docker run --shm-size=1g`"
    if not SHARED_MEMORY.is_dir():
        return Finding(name, ok=False, found=f"no {SHARED_MEMORY}", mend=mend)
    total_bytes = shutil.disk_usage(SHARED_MEMORY).total
    found = f"{total_bytes // 2**20} MiB in {SHARED_MEMORY}"
    return _finding(name, ok=total_bytes >= MIN_SHARED_MEMORY_BYTES, found=found, mend=mend)


def _helm() -> Finding:
    version = _ask("helm", "version", "--short")
    mend = "only for deploying: install Helm 3.16 or newer, https://helm.sh/docs/intro/install"
    return _finding("Helm", ok=bool(version), found=version or "none on PATH", mend=mend)


def _object_storage() -> Finding:
    name = "S3 access"
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    if not (os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY")) and not file.is_file():
        mend = (
            "only for s3:// paths: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, unless it is AWS, AWS_ENDPOINT_URL"
        )
        return Finding(name, ok=False, found="no credentials", mend=mend)
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "https://s3.amazonaws.com")
    mend = "start the store, or correct AWS_ENDPOINT_URL (as in https://s3.example.com)"
    try:
        address = urlsplit(endpoint)
        port = address.port or (80 if address.scheme == "http" else 443)
        with socket.create_connection((address.hostname or "", port), timeout=ANSWER_SECONDS):
            return Finding(name, ok=True, found=f"{endpoint} answers")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Finding(name, ok=False, found=f"{endpoint} does not answer ({reason})", mend=mend)


def _ask(*command: str) -> str | None:
    """What a program says, or None when it is not there or fails."""
    try:
        told = subprocess.run(command, capture_output=True, check=True, text=True, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip() or None


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / GIB:.0f} GiB"
