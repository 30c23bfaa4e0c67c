"""A mapping from old category paths to new ones: YAML that `taxonomy diff` drafts and a person corrects."""

from collections.abc import Mapping
from pathlib import Path

from facetry import storage
from facetry.taxonomy.difference import TaxonomyDifference
from facetry.taxonomy.faults import Faults
from facetry.taxonomy.loading import read_text
from facetry.taxonomy.tree import Taxonomy
from facetry.taxonomy.yaml_nodes import Mapped, Scalar, read_nodes, scalar_pairs
from facetry.taxonomy.yaml_writer import scalar


def write_mapping(path: Path, difference: TaxonomyDifference, *, old: str, new: str) -> None:
    """Write every changed path; those whose new path could not be told stand in comments, with what they may be."""
    lines = [f"# From {old} to {new}: old path: new path. A path that is not here stays as it is."]
    lines += [f"{scalar(change.old)}: {scalar(change.new)}" for change in difference.changes]
    if difference.removed:
        lines += ["", "# These are not decided: remove the # and write a path, or leave them without a label."]
    for removal in difference.removed:
        nearest = "".join(f"\n#     or {scalar(path)}" for path in removal.suggestions[1:])
        lines.append(f"# {scalar(removal.path)}: {''.join(map(scalar, removal.suggestions[:1]))}{nearest}".rstrip())
    storage.write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def read_mapping(address: str | Path, *, new: Taxonomy) -> Mapping[str, str]:
    """The mapping in the file at `address`; a `TaxonomyError` with every path that a product of `new` cannot have."""
    faults = Faults(str(address), what="mapping")
    root = read_nodes(read_text(address), faults=faults)
    if isinstance(root, Scalar) and not root.text:
        return {}
    if not isinstance(root, Mapped):
        raise faults.error(root.line, "it must map old category paths to new ones")
    mapping: dict[str, tuple[int, str]] = {}
    for key, value in scalar_pairs(root, faults=faults):
        if not isinstance(value, Scalar) or not value.text:
            faults.add(key.line, f"'{key.text}' must map to one path: write it, or remove the line")
        elif key.text in mapping:
            faults.add(key.line, f"'{key.text}' stands twice, also on line {mapping[key.text][0]}: keep one")
        elif (problem := new.why_no_category(value.text)) is not None:
            faults.add(key.line, problem)
        else:
            mapping[key.text] = (key.line, value.text)
    faults.refuse()
    return {old: target for old, (_, target) in mapping.items()}
