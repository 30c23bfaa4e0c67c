"""What is wrong with a file that people write, in words for them: every problem at once, each with its path."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails

_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least"),
    "greater_than": ("gt", "must be more than"),
    "less_than_equal": ("le", "must be at most"),
    "less_than": ("lt", "must be less than"),
}


def explain(error: ValidationError, *, origin: str, model: type[BaseModel]) -> str:
    """Every problem that was found when `origin` was read as `model`, a line for each."""
    problems = error.errors()
    count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
    paths = (".".join(str(part) for part in problem["loc"]) for problem in problems)
    lines = (f"  {path}: {_reason(problem, model=model)}" for path, problem in zip(paths, problems, strict=True))
    return "\n".join([f"{origin} has {count}", *lines])


def problems_below(
    error: ValidationError, *, path: Sequence[str | int], model: type[BaseModel]
) -> list[InitErrorDetails]:
    """What was wrong when the value at `path` of something larger was read as `model`, as problems of the larger."""
    return [
        {
            "type": "value_error",
            "loc": (*path, *problem["loc"]),
            "input": problem["input"],
            "ctx": {"error": ValueError(_reason(problem, model=model))},
        }
        for problem in error.errors()
    ]


def _reason(problem: ErrorDetails, *, model: type[BaseModel]) -> str:
    kind, given, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind == "missing":
        return "must be there"
    if kind == "extra_forbidden":
        return f"unknown key{_nearest_key([str(part) for part in problem['loc']], model=model)}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"{given}, {words} {context[bound]:g}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"{given!r}, must be {context['expected']}"
    return f"{given!r}, {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _nearest_key(location: Sequence[str], *, model: type[BaseModel]) -> str:
    annotation: object = model
    for part in location[:-1]:
        annotation = _annotation_below(annotation, key=part)
    if not _is_model(annotation):
        return ""
    keys = list(_fields(annotation))
    nearest = get_close_matches(location[-1], keys, n=1)
    return f", did you mean {nearest[0]}?" if nearest else f", use one of {', '.join(keys)}"


def _annotation_below(annotation: object, *, key: str) -> object:
    """The type of what is at `key` in a model, or at any key of a mapping."""
    if _is_model(annotation):
        return _fields(annotation).get(key)
    values = get_args(annotation)
    return values[-1] if values else None


def _fields(model: object) -> dict[str, object]:
    """The type of each key, as it is written in a file."""
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
