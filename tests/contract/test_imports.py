"""Who may import whom: read from the source, so that a wrong direction is found before it is relied on."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = (
    {"errors", "validation"},
    {"config", "listing", "parts", "progress", "reporting", "revision"},
    {"catalogue", "storage", "taxonomy"},
    {"prompting"},
    {"backbones"},
    {"decoding"},
    {
        "ingest",
        "cleaning",
        "splitting",
        "training",
        "evaluation",
        "release",
        "versioning",
        "synthetic",
        "triton",
        "doctor",
    },
    {"experiments"},
    {"demo"},
    {"cli", "__main__"},
)
STAGES = {"ingest", "cleaning", "splitting", "training", "evaluation", "release", "versioning"}
HEAVY = {"torch", "transformers", "deepspeed", "accelerate"}
MAY_IMPORT_HEAVY = {"training", "backbones", "decoding", "evaluation", "release"}
ALLOWED_OF_THIS_REPO = {
    "facetry": {"facetry"},
    "components": {"facetry", "components"},
    "pipelines": {"components", "facetry", "pipelines"},
    "serving/model_repository": {"facetry"},
}
OURS = {"facetry", "components", "pipelines", "serving", "charts", "tests"}


def _sources(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _runs_on_import(path: Path) -> set[str]:
    """The packages that importing the module imports, annotations aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).split(".")[0])
    return found


def _part(path: Path) -> str:
    """The module or package directly inside facetry that `path` belongs to."""
    return path.relative_to(ROOT / "facetry").parts[0].removesuffix(".py")


def _layer(part: str) -> int:
    return next(level for level, parts in enumerate(LAYERS) if part in parts)


@pytest.mark.parametrize("folder", ALLOWED_OF_THIS_REPO)
def test_each_part_of_the_repository_imports_only_what_it_may(folder: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in _sources(folder)
        for name in _imports(path)
        if name.split(".")[0] in OURS - ALLOWED_OF_THIS_REPO[folder]
    }
    assert not wrong


def test_the_library_imports_downwards_only_and_stages_not_each_other() -> None:
    wrong = set()
    for path in _sources("facetry"):
        part = _part(path)
        if part in ("__init__", "release") and "model_repository" in path.parts:
            continue
        for name in _imports(path):
            if not name.startswith("facetry.") or name.split(".")[1] in ("__version__", part):
                continue
            target = name.split(".")[1]
            if _layer(target) > _layer(part) or (target in STAGES and part in STAGES):
                wrong.add(f"{path.relative_to(ROOT)}: {name}")
    assert not wrong


def test_only_the_parts_that_run_models_import_torch() -> None:
    wrong = {
        str(path.relative_to(ROOT))
        for path in _sources("facetry")
        if _part(path) not in MAY_IMPORT_HEAVY and _runs_on_import(path) & HEAVY
    }
    assert not wrong


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    heavy = (*HEAVY, "kfp", "cv2", "pyarrow", "matplotlib", "sklearn", "tritonclient", "minio", "pydantic")
    script = f"import facetry.cli, sys; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
