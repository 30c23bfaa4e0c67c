"""Why something cannot be fetched, worded to be read after its address."""


class FetchError(Exception):
    """One address cannot be fetched; `status` is what its server answered.

    A failure that is `lasting` is not worth asking again about; one that is not is, by a later run.
    """

    def __init__(self, reason: str, *, status: int | None = None, lasting: bool = True) -> None:
        super().__init__(reason)
        self.status = status
        self.lasting = lasting


class RefusedAddressError(FetchError):
    """A host is inside this machine or a private network."""


class PassingError(FetchError):
    """One try failed in a way that may pass; the server may have asked to be left alone for `wait_seconds`."""

    def __init__(self, reason: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(reason, lasting=False)
        self.wait_seconds = wait_seconds


def too_large(num_bytes: int | None, *, max_bytes: int) -> FetchError:
    """The refusal of a body over the limit; `num_bytes` is None when only that is known."""
    size = f"{num_bytes / 2**20:.1f} MB, " if num_bytes is not None else ""
    return FetchError(f"has {size}more than the {max_bytes / 2**20:g} MB that are allowed")
