"""A component only maps arguments: what it holds beyond that belongs in the library."""

import ast
import inspect
from pathlib import Path

import pytest

import components
from pipelines.resources import RESOURCES

MAX_BODY_LINES = 20


@pytest.mark.parametrize("task", RESOURCES)
def test_a_component_is_short(task: str) -> None:
    function = _function(task)
    body = function.body[1:]
    assert body[-1].end_lineno is not None
    assert body[-1].end_lineno - body[0].lineno + 1 <= MAX_BODY_LINES


@pytest.mark.parametrize("task", RESOURCES)
def test_a_component_imports_facetry_inside_its_body_only(task: str) -> None:
    outside = {name for node in _module(task).body for name in _imported(node)}
    inside = {name for node in ast.walk(_function(task)) for name in _imported(node)}
    assert "facetry" not in outside
    assert "facetry" in inside


@pytest.mark.parametrize("task", RESOURCES)
def test_a_component_calls_the_function_of_its_name_once(task: str) -> None:
    wanted = "push" if task == "version" else task
    calls = [node.func for node in ast.walk(_function(task)) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call, ast.Attribute) and call.attr == wanted]
    assert len(named) == 1


def _module(task: str) -> ast.Module:
    path = Path(inspect.getfile(components)).with_name(f"{task}.py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _function(task: str) -> ast.FunctionDef:
    functions = [node for node in _module(task).body if isinstance(node, ast.FunctionDef)]
    (function,) = functions
    assert function.name == task
    return function


def _imported(node: ast.AST) -> set[str]:
    """The top-level packages that an import statement names."""
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return {alias.name.partition(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()
