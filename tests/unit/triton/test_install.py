import os
import venv
from pathlib import Path

import pytest

from facetry.errors import ServingError
from facetry.triton import find_triton

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def bare_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.mark.usefixtures("bare_path")
def test_without_any_triton_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"^no Triton: .* no serving environment at .*: run `make setup`$"):
        find_triton(tmp_path / "nowhere")


@pytest.mark.usefixtures("bare_path")
def test_an_environment_without_triton_is_told_from_none(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    with pytest.raises(ServingError, match=r"has no runnable tritonserver: remove it and run `make setup`"):
        find_triton(tmp_path / "bare")


def test_the_one_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = tmp_path / "tritonserver"
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    install = find_triton(REPOSITORY / ".venv-serving")
    assert (install.executable, install.wheel) == (executable, None)
    assert install.arguments(run_folder=tmp_path) == [str(executable)]


@pytest.mark.usefixtures("bare_path")
def test_the_serving_environment_is_put_together_outside_itself(tmp_path: Path) -> None:
    install = find_triton(REPOSITORY / ".venv-serving")
    _, backends = install.arguments(run_folder=tmp_path)
    assert backends == f"--backend-directory={tmp_path / 'backends'}"
    assembled = {path.name for path in (tmp_path / "backends" / "python").iterdir() if path.exists()}
    assert assembled == {"libtriton_python.so", "triton_python_backend_stub", "triton_python_backend_utils.py"}
    variables = install.environment()
    assert variables["PATH"].startswith(str(REPOSITORY / ".venv-serving" / "bin"))
    assert int(variables["OMP_NUM_THREADS"]) >= 1
