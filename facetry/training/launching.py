"""Starting the processes of a run, on this machine or as this machine's share of many, and ending them with us."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from facetry import storage
from facetry.config import TrainParams
from facetry.errors import FacetryError, TrainingError
from facetry.training.job import TrainingJob

WORKER = "facetry.training.worker"
JOB_NAME = "job.json"
ERRORS_NAME = "errors"
MAX_CPU_PROCESSES = 4
SECONDS_TO_MEET = 3600
NOBODY_KNOWS = (
    "a training process ended, its output above says why; the same command continues from the last checkpoint"
)
PARENT_DEATH_SIGNAL = 1
"""What Linux calls the order to tell a process of the death of its parent (PR_SET_PDEATHSIG)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this process stands among those that train: on one of `num_nodes` machines with as many processes each.

    With `is_worker`, something else has started a process for each accelerator, and this is one of them.
    """

    num_nodes: int = 1
    node_rank: int = 0
    num_processes: int = 1
    master_address: str | None = None
    master_port: int | None = None
    is_worker: bool = False

    @property
    def is_first_node(self) -> bool:
        """Whether this is the one process that reads and writes for all."""
        return self.node_rank == 0


def find_place(environment: Mapping[str, str], *, params: TrainParams) -> Place:
    """The place that the environment tells, as a Kubeflow TrainJob or torchrun sets it; else the only machine there is.

    A number of processes in the environment comes before `params.num_processes`.
    """
    if all(name in environment for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")):
        if len(params.runs()) > 1:
            raise TrainingError("train.stages: each needs processes of its own, start facetry without torchrun")
        num_beside = _number(environment, "LOCAL_WORLD_SIZE", default=1)
        return Place(node_rank=_number(environment, "RANK"), num_processes=num_beside, is_worker=True)
    per_node = environment.get("PET_NPROC_PER_NODE", "auto")
    num_processes = int(per_node) if per_node.isdecimal() else choose_num_processes(params)
    num_nodes = _number(environment, "PET_NNODES", default=1)
    if num_nodes == 1:
        return Place(num_processes=num_processes)
    return Place(
        num_nodes=num_nodes,
        node_rank=_number(environment, "PET_NODE_RANK"),
        num_processes=num_processes,
        master_address=_text(environment, "PET_MASTER_ADDR"),
        master_port=_number(environment, "PET_MASTER_PORT"),
    )


def choose_num_processes(params: TrainParams) -> int:
    """How many processes train on this machine."""
    return params.num_processes or count_accelerators() or min(count_cores(), MAX_CPU_PROCESSES)


def launch(job: TrainingJob, *, place: Place, worker: str = WORKER) -> None:
    """Run `job` to its end; its output goes where ours goes. A `TrainingError` says why it could not be done.

    Each process runs the module `worker`, and ends when this one does, however it ends.
    """
    errors = job.state / ERRORS_NAME
    if place.is_first_node:
        shutil.rmtree(errors, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="facetry-") as folder:
        job_file = Path(folder, JOB_NAME)
        job_file.write_text(job.model_dump_json(), encoding="utf-8")
        status = _run(_command(worker, job_file, place=place), environment=_environment(os.environ, place=place))
    if status != 0:
        told = sorted(errors.glob("*.txt"))
        raise TrainingError(told[0].read_text(encoding="utf-8") if told else NOBODY_KNOWS)


def report_error(error: FacetryError, *, job: TrainingJob) -> None:
    """Leave the line that says why this worker cannot go on where `launch` looks for it, on every node."""
    folder = job.state / ERRORS_NAME
    folder.mkdir(parents=True, exist_ok=True)
    storage.write_atomically(folder / f"{int(os.environ['RANK']):06d}.txt", str(error).encode())


def end_with_parent(ending: signal.Signals = signal.SIGTERM) -> None:
    """Have this process get a signal when the one that started it dies, which may be in a way that it cannot see."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, ending)


def count_accelerators() -> int:
    """GPUs that this process may use, without paying for an import of torch where there can be none."""
    if shutil.which("nvidia-smi") is None:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) if listed.returncode == 0 else 0


def count_cores() -> int:
    return len(os.sched_getaffinity(0))


def _command(worker: str, job_file: Path, *, place: Place) -> list[str]:
    run_worker = ["-m", worker, str(job_file)]
    if place.is_worker:
        return [sys.executable, *run_worker]
    if place.num_nodes == 1:
        meeting = ["--standalone"]
    else:
        meeting = [
            f"--nnodes={place.num_nodes}",
            f"--node-rank={place.node_rank}",
            f"--master-addr={place.master_address}",
            f"--master-port={place.master_port}",
            f"--rdzv-conf=timeout={SECONDS_TO_MEET}",
        ]
    processes = f"--nproc-per-node={place.num_processes}"
    return [sys.executable, "-m", "facetry.training.elastic", *meeting, processes, *run_worker]


def _run(command: list[str], *, environment: Mapping[str, str]) -> int:
    """The exit status of `command`, which is ended in order when this process is told to end."""
    process = subprocess.Popen(command, env=environment, preexec_fn=end_with_parent)
    with _passing_signals_on(process):
        return process.wait()


@contextmanager
def _passing_signals_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Within, the wish that this process end is told to `process`; when that has ended, it is fulfilled."""
    received: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        received.append(number)
        process.terminate()

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])


def _environment(outer: Mapping[str, str], *, place: Place) -> dict[str, str]:
    environment = {
        **outer,
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore::FutureWarning:torch.distributed.c10d_logger",
    }
    environment.setdefault("OMP_NUM_THREADS", str(max(count_cores() // place.num_processes, 1)))
    if count_accelerators() == 0:
        environment["DS_ACCELERATOR"] = "cpu"
    return environment


def _text(environment: Mapping[str, str], name: str) -> str:
    if name not in environment:
        raise TrainingError(f"{name} is not set, though PET_NNODES is above 1: set both, as a Kubeflow TrainJob does")
    return environment[name]


def _number(environment: Mapping[str, str], name: str, *, default: int | None = None) -> int:
    if name not in environment and default is not None:
        return default
    text = _text(environment, name)
    if not text.isdecimal():
        raise TrainingError(f"{name}: '{text}' is no number: set it as a Kubeflow TrainJob does")
    return int(text)
