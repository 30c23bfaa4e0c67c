"""Checkpoints that can be continued by another number of processes, or under another ZeRO stage.

DeepSpeed writes what each process holds of the weights and of the optimizer's states, cut up in its own way. Its
universal layout has them whole, a folder for each weight, and every process takes its share when it loads them.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import torch

from facetry import storage
from facetry.errors import CheckpointError

UNIVERSAL_NAME = "universal"
LATEST_NAME = "latest_universal"
WHOLE_STATES_NAME = "mp_rank_00_model_states.pt"
SLICED_STATES_NAME = "zero_pp_rank_0_mp_rank_00_model_states.pt"
TENSOR_NAMES = ("fp32", "exp_avg", "exp_avg_sq")
COUNTER_NAMES = ("skipped_steps", "global_steps", "global_samples", "dp_world_size", "mp_world_size", "lr_scheduler")
SCALER_NAMES = ("loss_scaler", "dynamic_loss_scale", "overflow")


@dataclass(frozen=True, slots=True)
class SavedBy:
    """How many processes wrote a checkpoint, and under which ZeRO stage; 1 stands for 2 too, which writes the same."""

    num_processes: int
    zero_stage: int


@dataclass(frozen=True, slots=True)
class Share:
    """What one process holds: by group of weights, their values and the optimizer's states, each in one flat tensor."""

    tensors: Mapping[str, Sequence[torch.Tensor]]
    step: Any
    groups: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight, and where it lies in the flat tensor of its group: for each process, from where and how much."""

    name: str
    shape: Sequence[int]
    group: int
    slices: Sequence[tuple[int, int]]


def saved_by(checkpoint: Path) -> SavedBy:
    """Who wrote the DeepSpeed state in `checkpoint`, as its files tell."""
    step = _step_folder(checkpoint)
    num_processes = len(_share_files(step))
    if num_processes == 0:
        return SavedBy(num_processes=1, zero_stage=0)
    return SavedBy(num_processes, zero_stage=3 if _is_sliced(step) else 1)


def needs_universal(checkpoint: Path, *, num_processes: int, zero_stage: int) -> bool:
    """Whether these processes must load `checkpoint` in its universal layout; an error when they cannot at all."""
    saved = saved_by(checkpoint)
    if (saved.zero_stage == 0) != (zero_stage == 0):
        raise CheckpointError(
            f"{checkpoint} was written with ZeRO {saved.zero_stage}, which ZeRO {zero_stage} cannot continue: "
            f"set train.zero_stage to {saved.zero_stage}"
        )
    if zero_stage == 0 or saved == SavedBy(num_processes, zero_stage=3 if zero_stage == 3 else 1):
        return False
    if zero_stage < 3 and not _is_enough_for(checkpoint, num_processes=num_processes):
        raise CheckpointError(
            f"{checkpoint} has fewer weights of a kind than {num_processes} processes can share "
            f"with ZeRO {zero_stage}: set train.zero_stage to 3, or use fewer processes"
        )
    return True


def _is_enough_for(checkpoint: Path, *, num_processes: int) -> bool:
    """Whether each process gets some of each group of weights; DeepSpeed cannot load a universal checkpoint else."""
    for group in _open_states(_step_folder(checkpoint))["param_shapes"]:
        num_weights = sum(prod(shape) for shape in group.values())
        # DeepSpeed cuts a group into pieces of an even length, of which the last ones may be empty.
        length = 2 * ceil(num_weights / (2 * num_processes))
        if length * (num_processes - 1) >= num_weights:
            return False
    return True


def make_universal(checkpoint: Path) -> None:
    """Put the universal layout of a checkpoint's DeepSpeed state beside it, unless it is there."""
    if (checkpoint / LATEST_NAME).is_file():
        return
    partial = checkpoint / f".{UNIVERSAL_NAME}"
    for folder in (partial, checkpoint / UNIVERSAL_NAME):
        shutil.rmtree(folder, ignore_errors=True)
    _convert(_step_folder(checkpoint), out=partial)
    partial.rename(checkpoint / UNIVERSAL_NAME)
    storage.write_atomically(checkpoint / LATEST_NAME, UNIVERSAL_NAME.encode())


def mend_optimizer(optimizer: torch.optim.Optimizer, *, checkpoint: Path) -> None:
    """Undo what DeepSpeed does to an optimizer when ZeRO 3 loads `checkpoint` in its universal layout.

    It gives all groups of weights the settings of the first one, as if no part had a learning rate or weight decay of
    its own, and one and the same count of steps, which then each of them adds to.
    """
    saved = torch.load(_global_states_file(checkpoint / UNIVERSAL_NAME), weights_only=False)["param_groups"]
    for group, settings in zip(optimizer.param_groups, saved, strict=True):
        group.update({name: value for name, value in settings.items() if name != "params"})
    for state in optimizer.state.values():
        state["step"] = state["step"].clone()


def _convert(step: Path, *, out: Path) -> None:
    is_sliced = _is_sliced(step)
    states = _open_states(step)
    written = [_open(file)["optimizer_state_dict"] for file in _share_files(step)]
    shares = [_share(each, is_sliced=is_sliced) for each in written]
    shapes = states["param_shapes"]
    for weight in _cut_one_by_one(shapes, len(shares)) if is_sliced else _cut_as_groups(shapes, written):
        _write(weight, shares=shares, folder=out / "zero" / weight.name)
    _write_global_states(written[0], share=shares[0], version=states["ds_version"], out=out)
    counters = {name: states[name] for name in COUNTER_NAMES}
    for name in (WHOLE_STATES_NAME, SLICED_STATES_NAME):  # each ZeRO stage looks for its own
        torch.save(counters, out / name)


def _share(written: Mapping[str, Any], *, is_sliced: bool) -> Share:
    weights = written["fp32_flat_groups" if is_sliced else "single_partition_of_fp32_groups"]
    optimizer = written["optimizer_state_dict" if is_sliced else "base_optimizer_state"]
    states = [optimizer["state"][group] for group in range(len(weights))]
    moments = {name: [state[name] for state in states] for name in TENSOR_NAMES[1:]}
    return Share(tensors={"fp32": weights, **moments}, step=states[0]["step"], groups=optimizer["param_groups"])


def _cut_as_groups(
    shapes: Sequence[Mapping[str, Sequence[int]]], written: Sequence[Mapping[str, Any]]
) -> Iterator[Weight]:
    """ZeRO 1 and 2 cut each group of weights, laid end to end, into as many pieces as there are processes."""
    for group, of_group in enumerate(shapes):
        for name, shape in of_group.items():
            pieces = [each["param_slice_mappings"][group].get(name) for each in written]
            yield Weight(name, shape, group, [(each.start, each.numel) if each else (0, 0) for each in pieces])


def _cut_one_by_one(shapes: Sequence[Mapping[str, Sequence[int]]], num_processes: int) -> Iterator[Weight]:
    """ZeRO 3 cuts each weight; the last pieces are filled up, to be as long as the others."""
    for group, of_group in enumerate(shapes):
        start = 0
        for name, shape in of_group.items():
            length = ceil(prod(shape) / num_processes)
            lengths = [min(max(prod(shape) - rank * length, 0), length) for rank in range(num_processes)]
            yield Weight(name, shape, group, [(start, each) for each in lengths])
            start += length


def _write(weight: Weight, *, shares: Sequence[Share], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in TENSOR_NAMES:
        pieces = [
            share.tensors[name][weight.group].narrow(0, start, length)
            for share, (start, length) in zip(shares, weight.slices, strict=True)
        ]
        torch.save({"param": torch.cat(pieces).reshape(tuple(weight.shape))}, folder / f"{name}.pt")
    torch.save(shares[0].step, folder / "step.pt")


def _write_global_states(written: Mapping[str, Any], *, share: Share, version: str, out: Path) -> None:
    states = {
        **{name: written[name] for name in SCALER_NAMES},
        "ds_version": version,
        "param_groups": share.groups,
        # The same once more, where ZeRO 3 looks.
        "optimizer_state_dict": {"state": {0: {"step": share.step}}, "param_groups": share.groups},
    }
    torch.save(states, _global_states_file(out))


def _global_states_file(universal: Path) -> Path:
    return universal / "zero" / "optimizer_state.pt"


def _step_folder(checkpoint: Path) -> Path:
    try:
        return checkpoint / (checkpoint / "latest").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CheckpointError(
            f"{checkpoint} holds no DeepSpeed state ({error.strerror}): train from the start"
        ) from error


def _share_files(step: Path) -> list[Path]:
    """What each process wrote, in the order of their ranks."""
    files = step.glob("*zero_pp_rank_*_optim_states.pt")
    return sorted(files, key=lambda file: int(re.findall(r"zero_pp_rank_(\d+)_", file.name)[0]))


def _is_sliced(step: Path) -> bool:
    """Whether ZeRO 3 wrote it, which cuts each weight into pieces."""
    return not (step / WHOLE_STATES_NAME).is_file()


def _open_states(step: Path) -> Mapping[str, Any]:
    return _open(step / (SLICED_STATES_NAME if _is_sliced(step) else WHOLE_STATES_NAME))


def _open(file: Path) -> Mapping[str, Any]:
    """What torch wrote to `file`, its tensors read only when they are looked at."""
    opened: Mapping[str, Any] = torch.load(file, map_location="cpu", mmap=True, weights_only=False)
    return opened
