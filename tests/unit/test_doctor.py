import socket
import subprocess
import sys
from pathlib import Path

import pytest

from facetry.config import ServeParams
from facetry.doctor import Finding, diagnose


def finding(name: str, params: ServeParams | None = None) -> Finding:
    return next(one for one in diagnose(params or ServeParams()) if one.name == name)


def test_every_lack_comes_with_its_mend_in_one_line(tmp_path: Path) -> None:
    findings = diagnose(ServeParams(environment=str(tmp_path)))
    assert {one.name for one in findings} >= {"Python", "accelerator", "Triton", "Helm", "S3 access", "shared memory"}
    for one in findings:
        assert one.ok == (one.mend is None), one
        assert "\n" not in f"{one.found}{one.mend}", one


def test_a_machine_without_triton_is_told_to_set_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    triton = finding("Triton", ServeParams(environment=str(tmp_path / "nowhere")))
    assert (triton.ok, triton.mend) == (False, "run `make setup`")


def test_no_credentials_no_question_to_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert finding("S3 access").found == "no credentials"


def test_a_store_that_answers_is_told_from_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with socket.create_server(("127.0.0.1", 0)) as store:
        endpoint = f"http://127.0.0.1:{store.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        assert finding("S3 access") == Finding("S3 access", ok=True, found=f"{endpoint} answers")
    silent = finding("S3 access")
    assert not silent.ok
    assert silent.found.startswith(f"{endpoint} does not answer")


def test_looking_loads_no_model_library() -> None:
    look = (
        "import sys; from facetry.config import ServeParams; from facetry.doctor import diagnose; "
        "diagnose(ServeParams()); print([name for name in ('torch', 'transformers', 'kfp') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True, text=True)
    assert told.stdout.strip() == "[]"
