"""A component only maps arguments: what it holds beyond that belongs in the library."""

import ast
import inspect
from pathlib import Path

import pytest

import components
from pipelines.finetune import STAGES

MAX_BODY_LINES = 20


@pytest.mark.parametrize("stage", STAGES)
def test_a_component_is_short(stage: str) -> None:
    function = _function(stage)
    body = function.body[1:]
    assert body[-1].end_lineno is not None
    assert body[-1].end_lineno - body[0].lineno + 1 <= MAX_BODY_LINES


@pytest.mark.parametrize("stage", STAGES)
def test_a_component_imports_facetry_inside_its_body_only(stage: str) -> None:
    outside = {name for node in _module(stage).body for name in _imported(node)}
    inside = {name for node in ast.walk(_function(stage)) for name in _imported(node)}
    assert "facetry" not in outside
    assert "facetry" in inside


@pytest.mark.parametrize("stage", STAGES)
def test_a_component_calls_the_stage_of_its_name_once(stage: str) -> None:
    calls = [node.func for node in ast.walk(_function(stage)) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call, ast.Attribute) and call.attr == stage]
    assert len(named) == 1


def _module(stage: str) -> ast.Module:
    path = Path(inspect.getfile(components)).with_name(f"{stage}.py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _function(stage: str) -> ast.FunctionDef:
    functions = [node for node in _module(stage).body if isinstance(node, ast.FunctionDef)]
    (function,) = functions
    assert function.name == stage
    return function


def _imported(node: ast.AST) -> set[str]:
    """The top-level packages that an import statement names."""
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return {alias.name.partition(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()
