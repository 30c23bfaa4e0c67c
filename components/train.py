"""The component `train`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output

from components.image_names import TRAIN_IMAGE


@dsl.component(base_image=TRAIN_IMAGE, install_kfp_package=False)
def train(
    catalogue: Input[Dataset],
    base_model: str,
    params: dict[str, object],
    revision: str,
    checkpoint: Output[Model],
) -> None:
    """Fine-tune the base model on the catalogue's training listings.

    Args:
        catalogue: A catalogue from `version`.
        base_model: A model folder or the name of one on a hub; takes the place of `train.base_model`.
        params: The section `train` of params.yaml.
        revision: The facetry that runs; part of the cache key.
        checkpoint: The model with its taxonomy and golden listings.
    """
    from pathlib import Path
    from time import perf_counter

    from facetry import training
    from facetry.catalogue import Catalogue
    from facetry.config import parse_params

    started = perf_counter()
    section = parse_params({"train": params | {"base_model": base_model}}, origin="the pipeline's arguments").train
    summary = training.train(Catalogue.open(catalogue.path), params=section, out=Path(checkpoint.path))
    checkpoint.metadata.update(summary=summary.one_line(), seconds=perf_counter() - started)
    print(summary.one_line(), flush=True)
