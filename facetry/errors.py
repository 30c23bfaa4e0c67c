"""What can go wrong that a person can mend. The CLI prints each of these as one line and exits 2."""


class FacetryError(Exception):
    """The root: says what was given, what is allowed, and the next step."""


class ConfigError(FacetryError):
    """params.yaml, or a `--set`, holds something that is not allowed."""


class SourceError(FacetryError):
    """A source of listings cannot be read as it is."""


class TaxonomyError(FacetryError):
    """A taxonomy is malformed, or a category is not in it."""


class CatalogueError(FacetryError):
    """A catalogue is missing, empty or damaged."""


class StorageError(FacetryError):
    """An object store or a folder cannot be read or written."""


class VersionError(FacetryError):
    """A version of a catalogue is missing, or the repository or the remote that keeps versions refuses."""


class CheckpointError(FacetryError):
    """A model folder cannot be loaded as it is."""


class TrainingError(FacetryError):
    """Training cannot start, or had to stop."""


class ReleaseError(FacetryError):
    """A release is incomplete, changed, or does not answer as it was trained to."""


class ServingError(FacetryError):
    """Triton is missing, cannot start, or cannot be reached."""


class RequestError(FacetryError):
    """One listing cannot be answered; the others can."""
