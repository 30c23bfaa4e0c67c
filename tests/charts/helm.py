"""The real Helm, run on the chart as a user would."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from charts.fetch_helm import find_helm

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "charts" / "facetry-serving"
MINIMAL = CHART / "ci" / "minimal-values.yaml"

Manifest = Mapping[str, Any]


def helm(*arguments: str | Path) -> str:
    """What Helm prints; an AssertionError with its complaint when it refuses."""
    finished = subprocess.run([find_helm(), *arguments], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def helm_complaint(*arguments: str | Path) -> str:
    """What Helm complains of; an AssertionError when it does not refuse."""
    finished = subprocess.run([find_helm(), *arguments], capture_output=True, text=True, check=False)
    assert finished.returncode != 0, f"helm accepted {arguments}"
    return finished.stderr


def template(*values: Path, settings: Sequence[str] = ()) -> dict[str, Manifest]:
    """The manifests that the chart makes of the minimal values and these, by kind."""
    rendered = helm("template", "shop", CHART, *_options((MINIMAL, *values), settings))
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(rendered) if manifest}


def refusal(*settings: str) -> str:
    """What Helm says when it refuses the minimal values with these settings."""
    return helm_complaint("template", "shop", CHART, *_options((MINIMAL,), settings))


def _options(values: Sequence[Path], settings: Sequence[str]) -> list[str]:
    return [*(f"--values={path}" for path in values), *(f"--set-json={setting}" for setting in settings)]
