"""The path of a category: the names from the top of the tree down to it."""

SEPARATOR = " > "


def name_of(path: str) -> str:
    """The last name of a path."""
    return path.rpartition(SEPARATOR)[2]


def parent_of(path: str) -> str | None:
    """The path one level up; None at the top."""
    return path.rpartition(SEPARATOR)[0] or None
