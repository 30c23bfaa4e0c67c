"""LoRA by peft: added before training, saved with whatever is trained beside it, merged into the weights at the end."""

import importlib.util
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

from facetry.backbones.backbone import load_weights
from facetry.backbones.encoder import first_line
from facetry.backbones.family import Family
from facetry.backbones.quiet import quietly
from facetry.config import AdapterParams
from facetry.errors import TrainingError
from facetry.training.parts import nearest_names, plain_name

BESIDE_NAME = "beside_adapter.safetensors"
"""The file of an adapter's folder that holds the model's own weights that were trained together with it."""


def check_quantisation(
    adapter: AdapterParams | None, *, zero_stage: int | None = None, offload: str | None = None
) -> None:
    """Raise a `TrainingError` when weights are to be held in 4 bits and this run, or this machine, cannot."""
    if adapter is None or adapter.quantise == "none":
        return
    if zero_stage == 3 or offload == "all":
        given = "train.zero_stage: 3" if zero_stage == 3 else "train.offload: all"
        raise TrainingError(
            f"{given}, but weights in 4 bits (train.adapter.quantise: {adapter.quantise}) cannot be spread over "
            "processes: use zero_stage 0 to 2, and offload none or optimizer, or quantise: none"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise TrainingError(
            f"train.adapter.quantise: {adapter.quantise} needs bitsandbytes, which is not installed: "
            "install facetry[train], or use quantise: none"
        )


class QuantisationOptions(TypedDict, total=False):
    quantization_config: BitsAndBytesConfig


def quantisation_options(adapter: AdapterParams | None, *, family: Family, dtype: torch.dtype) -> QuantisationOptions:
    """What `load_weights` is given so that the linear layers that stay frozen below the adapter are held in 4 bits.

    They compute in `dtype`, which also holds everything else. A `TrainingError` when the accelerator cannot do it.
    """
    if adapter is None or adapter.quantise == "none":
        return {}
    _check_device()
    other_parts = [part for name, part in family.parts.items() if name != adapter.part]
    kept_whole = [prefix.removesuffix(".") for part in other_parts for prefix in part.prefixes]
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=adapter.quantise,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=[*kept_whole, "lm_head"],
    )
    return {"quantization_config": config}


def _check_device() -> None:
    """Hold a small matrix in 4 bits and read it back: whether that works depends on the accelerator and the build."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        import bitsandbytes

        held, state = bitsandbytes.functional.quantize_4bit(torch.ones(64, 64, device=device), quant_type="nf4")
        bitsandbytes.functional.dequantize_4bit(held, state)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise TrainingError(
            f"train.adapter.quantise: nf4 does not work on this machine's {device.type} "
            f"({first_line(error)}): use quantise: none"
        ) from error


def add_adapter(model: PreTrainedModel, *, family: Family, adapter: AdapterParams, seed: int) -> PeftModel:
    """The model with LoRA at the linear layers of a part whose names match; the output layer never has it.

    What was marked as trained before stays so. The same seed gives the same adapter.
    """
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]  # it is only ever divided by the rank
        lora_dropout=adapter.dropout,
        target_modules=_targets(model, family=family, adapter=adapter),
    )
    with torch.random.fork_rng(devices=[]), _without_notices():
        torch.default_generator.manual_seed(seed)
        adapted = get_peft_model(model, config)
    for name, weight in adapted.named_parameters():
        if _is_adapters(name):
            weight.data = weight.data.to(model.dtype)  # ZeRO-3 takes no weights of two types
    for weight in trained:
        weight.requires_grad_(True)
    assert isinstance(adapted, PeftModel)
    return adapted


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keep peft and transformers quiet; the one warns that it uses what the other has renamed."""
    with quietly(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _targets(model: PreTrainedModel, *, family: Family, adapter: AdapterParams) -> list[str]:
    output_layer = model.get_output_embeddings()
    layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not output_layer and family.part_of(f"{name}.") == adapter.part
    ]
    if targets := [name for name in layers if re.search(adapter.targets, name)]:
        return targets
    raise TrainingError(
        f"train.adapter.targets: {adapter.targets} matches no layer of the {adapter.part} part, which are called like "
        f"{', '.join(nearest_names(adapter.targets, layers))}"
    )


def _is_adapters(weight: str) -> bool:
    return ".lora_" in weight


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write the adapter as peft does, and the model's own weights that are trained beside it.

    All ranks must call it, since under ZeRO-3 each has a piece of every weight; the first one writes.
    """
    writes = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
    trained = {name: _whole(weight) for name, weight in model.named_parameters() if weight.requires_grad}
    if not writes:
        return
    with _without_notices():
        model.save_pretrained(str(folder), state_dict=trained, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # a form for the Hub that nobody filled in
    beside = {plain_name(name): weight for name, weight in trained.items() if not _is_adapters(name)}
    save_file(beside, folder / BESIDE_NAME)


def _whole(weight: nn.Parameter) -> torch.Tensor:
    if not hasattr(weight, "ds_id"):
        return weight.detach().cpu()
    import deepspeed

    with deepspeed.zero.GatheredParameters([weight]):
        return weight.detach().cpu().clone()


def merge_adapter(
    adapter_folder: Path,
    *,
    base_model: str | Path,
    family: Family,
    dtype: torch.dtype,
    out: Path,
    allow_other_weights: bool = False,
) -> None:
    """Write to `out` the base model with what `save_adapter` saved merged in: a plain Hugging Face folder.

    The base is loaded again, in fp32, so that nothing of how it was held while training is left; what comes of it is
    saved in `dtype`.
    """
    assert not is_deepspeed_zero3_enabled(), "the base would be loaded in pieces: merge when training has ended"
    model = load_weights(base_model, family=family, dtype=torch.float32, allow_other_weights=allow_other_weights)
    with _without_notices():
        merged = PeftModel.from_pretrained(model, str(adapter_folder)).merge_and_unload()
        left_over = merged.load_state_dict(load_file(adapter_folder / BESIDE_NAME), strict=False).unexpected_keys
        assert not left_over, f"the base model has no weights {', '.join(left_over)}"
        merged.to(dtype).save_pretrained(out)
