"""One of several ranks that train an adapter together under ZeRO-3 and save it: `torchrun … BASE_MODEL OUT`."""

import json
import sys
from pathlib import Path

import deepspeed
import torch
from deepspeed.accelerator import get_accelerator
from transformers.integrations.deepspeed import HfDeepSpeedConfig

from facetry.config import TrainParams
from facetry.training.adapters import save_adapter
from facetry.training.parts import count_by_part, parameter_groups
from tests.unit.training.test_adapters import FAMILY, adapted, batch_for, logits, loss

SETTINGS = {
    "train_micro_batch_size_per_gpu": 1,
    "zero_optimization": {"stage": 3},
    "zero_allow_untested_optimizer": True,
    "zero_force_ds_cpu_optimizer": False,
}


def main(base_model: Path, out: Path) -> None:
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # else it is compiled for a minute and a half
    deepspeed.init_distributed(get_accelerator().communication_backend_name())
    told_transformers = HfDeepSpeedConfig(SETTINGS)  # while it lives, models are loaded in pieces
    model, batch = adapted(base_model), batch_for(base_model)
    del told_transformers
    groups = parameter_groups(model, family=FAMILY, params=TrainParams(learning_rate=5e-3))
    engine, *_ = deepspeed.initialize(model=model, optimizer=torch.optim.AdamW(groups), config=SETTINGS)
    for _ in range(2):
        engine.backward(loss(engine, batch))
        engine.step()
    save_adapter(model, out / "adapter")
    learnt = logits(engine, batch)
    if torch.distributed.get_rank() == 0:
        counts = [[each.name, each.num_trained, each.num_all] for each in count_by_part(model, family=FAMILY)]
        (out / "counts.json").write_text(json.dumps([counts, [group["name"] for group in groups]]))
        torch.save(learnt, out / "logits.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
