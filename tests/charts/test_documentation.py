"""The chart's values, their documentation, their schema and its templates say the same."""

import json
import re
from collections.abc import Iterator
from typing import Any

from charts.document import read_values, render_readme
from tests.charts.helm import CHART

VALUES = read_values((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
OPEN_IN_KUBERNETES = {"podSelector", "namespaceSelector", "nodeAffinity", "podAffinity", "podAntiAffinity", "global"}


def _templates() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((CHART / "templates").iterdir()))


def _read_by_templates() -> set[str]:
    """Every value that a template reads, those below a `with .Values.section` by their full path."""
    read = set(re.findall(r"\.Values((?:\.\w+)+)", text := _templates()))
    for section, body in re.findall(r"{{- with \.Values\.(\w+) -}}(.*?)\n{{- end -}}\n", text, flags=re.DOTALL):
        read |= {f".{section}.{key}" for key in re.findall(r"[\s(]\.([a-z]\w+)", body)}
    return {path.removeprefix(".") for path in read}


def _objects(schema: object, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part of a schema that describes a mapping, with the name it stands under."""
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        yield name, schema
    for key, below in schema.items():
        for child, part in below.items() if key == "properties" else [(name, below)]:
            yield from _objects(part, child)


def test_every_value_has_a_sentence() -> None:
    assert [value.path for value in VALUES if not (value.sentence or "").endswith(".")] == []


def test_the_readme_is_the_one_that_the_values_make() -> None:
    written = (CHART / "README.md").read_text(encoding="utf-8")
    assert written == render_readme(CHART), "run: python charts/document.py"


def test_every_value_is_read_by_a_template() -> None:
    assert {value.path for value in VALUES} - _read_by_templates() == set()


def test_every_value_that_a_template_reads_is_documented() -> None:
    sections = {value.path.rpartition(".")[0] for value in VALUES}
    assert _read_by_templates() - {value.path for value in VALUES} - sections == set()


def test_the_schema_knows_every_value_and_no_other() -> None:
    in_schema = set(_paths(SCHEMA)) - {"global"}
    assert in_schema == {value.path for value in VALUES}


def test_the_schema_is_closed() -> None:
    is_open = {name for name, part in _objects(SCHEMA) if "additionalProperties" not in part}
    assert is_open == OPEN_IN_KUBERNETES


def test_every_template_helper_carries_the_name_of_the_chart() -> None:
    defined = re.findall(r'define "([^"]+)"', _templates())
    assert defined
    assert all(name.startswith("facetry-serving.") for name in defined)


def _paths(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    documented = {value.path for value in VALUES}
    for name, part in schema["properties"].items():
        path = f"{prefix}{name}"
        if "properties" in part and path not in documented:
            yield from _paths(part, f"{path}.")
        else:
            yield path
