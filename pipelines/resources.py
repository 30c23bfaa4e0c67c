"""What each task of a pipeline is given on the cluster: CPU, memory, GPUs, caching and retries."""

from dataclasses import dataclass

from kfp import dsl, kubernetes

GPU_RESOURCE = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The share of a node that one task gets; a GPU task also tolerates the taint that keeps others off GPU nodes."""

    cpu: str
    memory: str
    num_gpus: int = 0
    shared_memory: str | None = None
    num_retries: int = 2


RESOURCES = {
    "plan": Resources(cpu="1", memory="1Gi"),
    "ingest": Resources(cpu="4", memory="8Gi"),
    "examine": Resources(cpu="8", memory="8Gi"),
    "merge": Resources(cpu="2", memory="8Gi"),
    "clean": Resources(cpu="4", memory="16Gi"),
    "split": Resources(cpu="2", memory="8Gi"),
    "version": Resources(cpu="2", memory="8Gi"),
    "train": Resources(cpu="16", memory="128Gi", num_gpus=1, shared_memory="16Gi", num_retries=1),
    "evaluate": Resources(cpu="8", memory="32Gi", num_gpus=1),
    "release": Resources(cpu="4", memory="32Gi", num_gpus=1),
}


def allot(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Give `task` the resources of its name, caching, and retries for when its node goes away."""
    resources = RESOURCES[task.name]
    task.set_cpu_request(resources.cpu).set_cpu_limit(resources.cpu)
    task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
    task.set_caching_options(enable_caching=True)
    task.set_retry(num_retries=resources.num_retries, backoff_duration="60s", backoff_factor=2)
    if resources.num_gpus:
        task.set_accelerator_type(GPU_RESOURCE).set_accelerator_limit(resources.num_gpus)
        kubernetes.add_toleration(task, key=GPU_RESOURCE, operator="Exists", effect="NoSchedule")
    if resources.shared_memory:
        kubernetes.empty_dir_mount(
            task,
            volume_name="shared-memory",
            mount_path="/dev/shm",  # noqa: S108 - where collectives look for shared memory
            medium="Memory",
            size_limit=resources.shared_memory,
        )
    return task
