"""Parameters as they are written: mappings of mappings, before anything of them is checked."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from facetry.errors import ConfigError


def read_tree(path: Path) -> dict[str, object]:
    """The sections in the YAML file at `path`, as they are written."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"cannot read {path}: {reason}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must map sections to their keys")
    return tree


def set_in_tree(override: str, tree: dict[str, object]) -> None:
    """Change `tree` as `override` says, written as `section.key=value`."""
    path, separator, text = override.partition("=")
    *sections, key = path.split(".")
    if not separator or not sections or not key:
        raise ConfigError(f"--set {override}: write section.key=value, as in train.epochs=2")
    node = tree
    for section in sections:
        below = node.setdefault(section, {})
        if not isinstance(below, dict):
            raise ConfigError(f"--set {override}: '{section}' is a value, not a section")
        node = below
    try:
        node[key] = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"--set {override}: '{text}' is not YAML") from error


def overlaid(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """`below` with the keys of `above` in place of its own, mapping by mapping."""
    laid = dict(below)
    for key, value in above.items():
        under = laid.get(key)
        laid[key] = overlaid(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return laid
