"""A process that is launched like one that trains, and does what the job's `base_model` says instead."""

import os
import signal
import sys
import time
from pathlib import Path

from facetry.errors import TrainingError
from facetry.training.job import TrainingJob
from facetry.training.launching import ERRORS_NAME, end_with_parent, report_error


def main(job_file: Path) -> int:
    end_with_parent(signal.SIGKILL)
    job = TrainingJob.model_validate_json(job_file.read_bytes())
    rank = int(os.environ["RANK"])
    (job.state / f"rank-{rank}").write_text(f"{os.getpid()} {os.environ['WORLD_SIZE']} {os.environ['LOCAL_RANK']}")
    if job.base_model == "meet":
        meet(job)
    if job.base_model == "sleep":
        time.sleep(600)
    if job.base_model.startswith("fail"):
        return fail(job, rank=rank)
    if job.base_model == f"crash on {rank}":
        os.kill(os.getpid(), signal.SIGKILL)
    return 0


def fail(job: TrainingJob, *, rank: int) -> int:
    """The rank that is named says why; the others notice that it is gone."""
    if job.base_model == f"fail on {rank}":
        report_error(TrainingError(f"rank {rank} has no room"), job=job)
        return 2
    while not any((job.state / ERRORS_NAME).glob("*.txt")):
        time.sleep(0.05)
    return 1


def meet(job: TrainingJob) -> None:
    """Leave the sum of all ranks where the test finds it."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")
    total = torch.tensor(distributed.get_rank())
    distributed.all_reduce(total)
    (job.state / f"met-{distributed.get_rank()}").write_text(str(int(total)))
    distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
