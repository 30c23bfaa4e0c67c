"""Launches `short_worker` in the place that the environment tells, as `facetry train` does with the real one."""

import os
import sys
from pathlib import Path

from facetry.config import TrainParams
from facetry.errors import FacetryError
from facetry.training.job import TrainingJob
from facetry.training.launching import find_place, launch

WORKER = "tests.unit.training.short_worker"


def job_of(state: Path, *, task: str) -> TrainingJob:
    return TrainingJob(catalogue="c", catalogue_digest="d", base_model=task, params=TrainParams(), state=state)


def main(state: str, task: str, num_processes: str) -> int:
    params = TrainParams(num_processes=int(num_processes))
    try:
        launch(job_of(Path(state), task=task), place=find_place(os.environ, params=params), worker=WORKER)
    except FacetryError as error:
        print(f"refused: {error}", flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
