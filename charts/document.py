"""Write each chart's README.md from its values.yaml and README.md.in; `--check` only says whether they agree.

Every value has a sentence above it, on lines that begin with `# --`; the README's table is those sentences.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

MARK = "# -- "


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a chart: where it stands, its default, and the sentence above it."""

    path: str
    default: object
    sentence: str | None


def read_values(text: str) -> list[Value]:
    """Every value of a values.yaml, in order; those without a sentence above them have None for it."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("a values.yaml maps names to values")
    return _below(root, path=(), lines=text.splitlines())


def _below(node: yaml.MappingNode, *, path: tuple[str, ...], lines: list[str]) -> list[Value]:
    values: list[Value] = []
    for key, child in node.value:
        here = (*path, key.value)
        if isinstance(child, yaml.MappingNode) and child.value:
            values += _below(child, path=here, lines=lines)
            continue
        above = lines[key.start_mark.line - 1].strip() if key.start_mark.line else ""
        sentence = above.removeprefix(MARK) if above.startswith(MARK) else None
        default = yaml.safe_load(yaml.serialize(child))
        values.append(Value(".".join(here), default, sentence))
    return values


def render_readme(chart: Path) -> str:
    """The README of the chart in a folder."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    rows = [
        f"| `{value.path}` | `{json.dumps(value.default)}` | {value.sentence} |"
        for value in read_values((chart / "values.yaml").read_text(encoding="utf-8"))
    ]
    frame = (chart / "README.md.in").read_text(encoding="utf-8")
    return frame.format(**{key: about[key] for key in ("name", "description", "version")}, values="\n".join(rows))


def main(arguments: list[str]) -> str | None:
    """Write every chart's README, or with `--check` say which one is not as its values make it."""
    for chart in sorted(file.parent for file in Path(__file__).parent.glob("*/Chart.yaml")):
        readme = chart / "README.md"
        if "--check" not in arguments:
            readme.write_text(render_readme(chart), encoding="utf-8")
        elif readme.read_text(encoding="utf-8") != render_readme(chart):
            return f"{readme} is not what values.yaml makes it: run {Path(__file__).name} without --check"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
