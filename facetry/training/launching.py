"""Starting one training process per accelerator, or per core where there is none, through torchrun."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from facetry.config import TrainParams
from facetry.errors import TrainingError
from facetry.training.job import TrainingJob, TrainingResult

RESULT_NAME = "result.json"
MAX_CPU_PROCESSES = 4


def choose_num_processes(params: TrainParams) -> int:
    """How many processes train; a `TrainingError` when a step's listings cannot be shared among them."""
    num_processes = params.num_processes or count_accelerators() or min(count_cores(), MAX_CPU_PROCESSES)
    share = num_processes * params.accumulation_steps
    if params.batch_size % share:
        raise TrainingError(
            f"train.batch_size: {params.batch_size}, must be a multiple of {share} "
            f"({num_processes} processes x {params.accumulation_steps} accumulation steps)"
        )
    return num_processes


def launch(job: TrainingJob, *, job_file: Path, num_processes: int) -> TrainingResult:
    """Run `job` to its end and return what rank 0 reported; its output goes where ours goes."""
    result_file = job.state / RESULT_NAME
    result_file.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_processes}"),
        *("-m", "facetry.training.worker", str(job_file)),
    ]
    finished = subprocess.run(command, env=_environment(num_processes), check=False)
    result = TrainingResult.model_validate_json(result_file.read_bytes()) if result_file.is_file() else None
    if result is not None and result.error is not None:
        raise TrainingError(result.error)
    if result is None or finished.returncode != 0:
        raise TrainingError(
            f"a training process ended with exit status {finished.returncode}: its output above says why; "
            "the same command continues from the last checkpoint"
        )
    return result


def count_accelerators() -> int:
    """GPUs of this machine, without paying for an import of torch where there can be none."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    return len(listed.stdout.splitlines()) if listed.returncode == 0 else 0


def count_cores() -> int:
    return len(os.sched_getaffinity(0))


def _environment(num_processes: int) -> dict[str, str]:
    environment = {
        **os.environ,
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore::FutureWarning:torch.distributed.c10d_logger",
    }
    if count_accelerators() == 0:
        environment["DS_ACCELERATOR"] = "cpu"
        environment["OMP_NUM_THREADS"] = str(max(count_cores() // num_processes, 1))
    return environment
