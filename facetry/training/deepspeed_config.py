"""DeepSpeed's configuration for one run; what transformers is told of it too must be the same there."""

from facetry.config import TrainParams
from facetry.training.memory import MAX_LIVE_PARAMETERS, reduce_bucket
from facetry.training.preflight import Plan

NEVER = 2**31


def deepspeed_config(
    params: TrainParams, plan: Plan, *, num_processes: int, load_universal: bool = False
) -> dict[str, object]:
    """The configuration of a planned run; with `load_universal` a checkpoint is loaded in its universal layout.

    A micro-batch counts as one, as its listings are packed into one row. The optimizer is ours, in torch.
    """
    return {
        "train_batch_size": num_processes * plan.accumulation_steps,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": plan.accumulation_steps,
        "gradient_clipping": params.max_gradient_norm,
        "bf16": {"enabled": params.precision == "bf16"},
        "zero_optimization": _zero(plan),
        "zero_allow_untested_optimizer": True,
        # DeepSpeed's own for offload is compiled where it runs; torch's is always there.
        "zero_force_ds_cpu_optimizer": False,
        "checkpoint": {"load_universal": load_universal},
        "steps_per_print": NEVER,
    }


def _zero(plan: Plan) -> dict[str, object]:
    config: dict[str, object] = {"stage": plan.zero_stage, "reduce_bucket_size": reduce_bucket(plan.size)}
    if plan.zero_stage == 3:
        config |= {
            "stage3_max_live_parameters": MAX_LIVE_PARAMETERS,
            "stage3_max_reuse_distance": MAX_LIVE_PARAMETERS,
            "stage3_gather_16bit_weights_on_model_save": True,
        }
    if plan.offload != "none":
        config["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if plan.offload == "all":
        config["offload_param"] = {"device": "cpu", "pin_memory": True}
    return config
