"""How long to wait before something that may pass is tried again."""

from collections.abc import Callable

from tenacity import RetryCallState
from tenacity.wait import wait_exponential, wait_random

from facetry.config import FetchParams


def backoff(params: FetchParams) -> Callable[[RetryCallState], float]:
    """Seconds that double from try to try up to the longest wait, and differ by chance so that many do not meet."""
    growing = wait_exponential(params.first_wait_seconds) + wait_random(0, params.first_wait_seconds)

    def seconds(state: RetryCallState) -> float:
        return min(growing(state), params.longest_wait_seconds)

    return seconds
