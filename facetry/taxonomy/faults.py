"""What is wrong with a file: everything at once, in the order of its lines, and no more than a person can read."""

from dataclasses import dataclass, field

from facetry.errors import TaxonomyError

NUM_FAULTS_TOLD = 10


@dataclass(slots=True)
class Faults:
    """Collects the faults of the file `origin`, which is a `what`, each with its line where it has one."""

    origin: str
    what: str = "taxonomy"
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int | None, text: str) -> None:
        self._found.append((line or 0, text))

    def refuse(self) -> None:
        """Raise a `TaxonomyError` with what was found, if anything was."""
        found = sorted(set(self._found))
        if len(found) == 1:
            raise self.error(*found[0])
        if found:
            told = [f"  line {line}: {text}" if line else f"  {text}" for line, text in found[:NUM_FAULTS_TOLD]]
            rest = [f"  and {len(found) - NUM_FAULTS_TOLD} more"] if len(found) > NUM_FAULTS_TOLD else []
            raise TaxonomyError("\n".join([f"{self.what} {self.origin} has {len(found)} faults", *told, *rest]))

    def error(self, line: int | None, text: str) -> TaxonomyError:
        """What to raise for a fault that nothing can be read beyond."""
        return TaxonomyError(f"{self.what} {self.origin}{f', line {line}' if line else ''}: {text}")
