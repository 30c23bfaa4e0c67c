"""Where Triton is on this machine, and how to start it."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from facetry.errors import ServingError

EXECUTABLE = "tritonserver"

_DESCRIBE_PYTHON = """
import json, sys, sysconfig
read = sysconfig.get_config_var
own, multiarch = read("LIBDIR") or "", read("MULTIARCH") or ""
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "packages": sysconfig.get_path("purelib"),
    "library_folders": [sys.base_prefix + "/lib", own, own + "/" + multiarch, "/usr/lib/" + multiarch],
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonWheel:
    """The parts of the Triton that a Python package brings, which have to be put together before it starts."""

    python_folder: Path
    backend: Path
    stub: Path
    library_folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonInstall:
    """A tritonserver; `wheel` is None for one that is installed whole."""

    executable: Path
    wheel: TritonWheel | None = None

    def arguments(self, *, run_folder: Path) -> list[str]:
        """The command up to what depends on the release; backends are put together in `run_folder`."""
        if self.wheel is None:
            return [str(self.executable)]
        backend = run_folder / "backends" / "python"
        backend.mkdir(parents=True)
        for part in (*self.wheel.backend.glob("*.so"), *self.wheel.backend.glob("*.py"), self.wheel.stub):
            (backend / part.name).symlink_to(part)
        return [str(self.executable), f"--backend-directory={backend.parent}"]

    def environment(self) -> dict[str, str]:
        """The environment variables to start it with: those of this process, its libraries and its Python first."""
        variables = dict(os.environ)
        variables.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
        if self.wheel is not None:
            variables.pop("PYTHONHOME", None)
            _put_first(variables, "PATH", self.wheel.python_folder)
            _put_first(variables, "LD_LIBRARY_PATH", *self.wheel.library_folders)
        return variables


def find_triton(environment: Path) -> TritonInstall:
    """The tritonserver on PATH, else the one in the Python environment at `environment`."""
    on_path = shutil.which(EXECUTABLE)
    if on_path is not None:
        return TritonInstall(executable=Path(on_path))
    python = environment.absolute() / "bin" / "python"
    if not python.exists():
        raise ServingError(
            f"no Triton: there is no {EXECUTABLE} on PATH and no serving environment at {environment}: run `make setup`"
        )
    described = _describe(python)
    packages = Path(str(described["packages"]))
    triton = packages / "pytriton" / EXECUTABLE
    stub = triton / "python_backend_stubs" / str(described["version"]) / "triton_python_backend_stub"
    for part in (triton / "bin" / EXECUTABLE, stub):
        if not os.access(part, os.X_OK):
            raise ServingError(
                f"no Triton: the serving environment {environment} (Python {described['version']}) "
                f"has no runnable {part.name}: remove it and run `make setup`"
            )
    wheel = TritonWheel(
        python_folder=python.parent,
        backend=triton / "backends" / "python",
        stub=stub,
        library_folders=(_libpython_folder(described), packages / "nvidia_pytriton.libs"),
    )
    return TritonInstall(executable=triton / "bin" / EXECUTABLE, wheel=wheel)


def _describe(python: Path) -> dict[str, object]:
    try:
        output = subprocess.run(
            [str(python), "-I", "-c", _DESCRIBE_PYTHON], capture_output=True, check=True, text=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ServingError(
            f"no Triton: {python} does not run: remove {python.parent.parent} and run `make setup`"
        ) from error
    described: dict[str, object] = json.loads(output)
    return described


def _libpython_folder(described: dict[str, object]) -> Path:
    name = f"libpython{described['version']}.so.1.0"
    folders = described["library_folders"]
    assert isinstance(folders, list)
    for folder in folders:
        if Path(folder, name).is_file():
            return Path(folder)
    raise ServingError(
        f"no Triton: its Python backend needs {name}, which this machine lacks: "
        f"run `apt-get install libpython{described['version']}`"
    )


def _put_first(variables: dict[str, str], name: str, *folders: Path) -> None:
    variables[name] = os.pathsep.join([*map(str, folders), *filter(None, [variables.get(name)])])
