"""The accelerator's memory, which asking a model here and training the next one elsewhere have to share."""

import gc


def free_accelerator() -> None:
    """Give back the memory of models that nothing here uses any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
