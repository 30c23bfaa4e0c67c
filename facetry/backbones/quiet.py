"""transformers and DeepSpeed without their progress bars and notices: what matters facetry says in its own words."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR, LogRecord, getLogger

from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars
from transformers.utils import logging


@contextmanager
def quietly() -> Iterator[None]:
    """Keep both quiet within, but for the bars of downloads; then they are as talkative as before."""
    verbosity, has_bars, downloads_have_bars = (
        logging.get_verbosity(),
        logging.is_progress_bar_enabled(),
        not are_progress_bars_disabled(),
    )
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if downloads_have_bars:
        enable_progress_bars()
    # Saving a model imports DeepSpeed, which sets its own level as it is imported.
    deepspeed = getLogger("DeepSpeed")
    deepspeed.addFilter(_is_grave)
    try:
        yield
    finally:
        deepspeed.removeFilter(_is_grave)
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()


def _is_grave(record: LogRecord) -> bool:
    return record.levelno >= ERROR
