"""The processes of a run: how many, where, what they report, and that none of them outlives the command."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from facetry.config import TrainParams
from facetry.errors import TrainingError
from facetry.training.launching import Place, count_accelerators, count_cores, find_place, launch
from tests.unit.training.launch_shortly import WORKER, job_of

ROOT = Path(__file__).parents[3]
SECONDS_TO_START = 90


def test_alone_every_accelerator_or_core_of_the_machine_is_used() -> None:
    assert find_place({}, params=TrainParams()) == Place(num_processes=min(count_cores(), 4))
    assert find_place({}, params=TrainParams(num_processes=3)) == Place(num_processes=3)


def test_gpus_are_those_that_this_process_may_use_as_a_stand_in_for_nvidia_smi_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = tmp_path / "nvidia-smi"
    listing.write_text("#!/bin/sh\necho 'GPU 0: A100'\necho '  MIG 3g.40gb Device 0'\necho 'GPU 1: A100'\n")
    listing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert count_accelerators() == 2
    for visible, expected in (("1", 1), ("0,1", 2), ("", 0), ("-1", 0)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert count_accelerators() == expected


def test_in_a_train_job_the_place_is_the_one_that_the_environment_tells() -> None:
    environment = {
        "PET_NNODES": "2",
        "PET_NPROC_PER_NODE": "8",
        "PET_NODE_RANK": "1",
        "PET_MASTER_ADDR": "train-node-0-0.train",
        "PET_MASTER_PORT": "29400",
    }
    place = find_place(environment, params=TrainParams(num_processes=2))
    assert place == Place(2, 1, 8, master_address="train-node-0-0.train", master_port=29400)
    assert not place.is_first_node
    unset = {**environment, "PET_NPROC_PER_NODE": "auto", "PET_NODE_RANK": "0"}
    assert find_place(unset, params=TrainParams(num_processes=2)).num_processes == 2
    assert find_place(unset, params=TrainParams()).is_first_node


def test_a_train_job_of_a_single_node_is_like_a_machine_alone() -> None:
    environment = {"PET_NNODES": "1", "PET_NPROC_PER_NODE": "4", "PET_MASTER_ADDR": "anything"}
    assert find_place(environment, params=TrainParams()) == Place(num_processes=4)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PET_NNODES": "2"}, "PET_NODE_RANK is not set, though PET_NNODES is above 1"),
        ({"PET_NNODES": "1:4"}, "PET_NNODES: '1:4' is no number"),
    ],
)
def test_an_environment_that_tells_half_of_a_place_is_refused(environment: Mapping[str, str], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        find_place(environment, params=TrainParams())


def test_started_once_for_each_process_every_command_is_one_rank() -> None:
    environment = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    place = find_place(environment, params=TrainParams())
    assert place.is_worker
    assert not place.is_first_node
    with pytest.raises(TrainingError, match=r"train\.stages: each needs processes of its own"):
        find_place(environment, params=TrainParams(stages=({"epochs": 1}, {"epochs": 2})))


def test_a_process_runs_for_each_rank_and_all_of_them_meet(tmp_path: Path) -> None:
    launch(job_of(tmp_path, task="meet"), place=Place(num_processes=2), worker=WORKER)
    assert [(tmp_path / f"met-{rank}").read_text() for rank in range(2)] == ["1", "1"]


def test_what_one_rank_cannot_do_is_told_in_its_own_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrainingError, match=r"^rank 1 has no room$"):
        launch(job_of(tmp_path, task="fail on 1"), place=Place(num_processes=2), worker=WORKER)
    assert "Traceback" not in capfd.readouterr().err
    launch(job_of(tmp_path, task="nothing"), place=Place(num_processes=2), worker=WORKER)


def test_a_rank_that_was_killed_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrainingError, match="the same command continues from the last checkpoint"):
        launch(job_of(tmp_path, task="crash on 0"), place=Place(num_processes=2), worker=WORKER)
    told = "the training process of rank 0 was ended by SIGKILL: this machine may be out of memory"
    assert told in capfd.readouterr().err


def test_two_nodes_find_each_other_by_their_environment(tmp_path: Path) -> None:
    nodes = _two_nodes(tmp_path, "meet")
    assert [node.wait(SECONDS_TO_START) for node in nodes] == [0, 0]
    assert [(tmp_path / f"met-{rank}").read_text() for rank in range(2)] == ["1", "1"]


def test_both_nodes_tell_why_one_of_them_failed(tmp_path: Path) -> None:
    nodes = _two_nodes(tmp_path, "fail on 0")
    told = [node.communicate(timeout=SECONDS_TO_START)[0] for node in nodes]
    assert told == ["refused: rank 0 has no room\n"] * 2


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_command(tmp_path: Path, ending: signal.Signals) -> None:
    command = _start(tmp_path, "sleep", num_processes=2)
    pids = _pids(tmp_path, num_ranks=2)
    command.send_signal(ending)
    assert command.wait(SECONDS_TO_START) == -ending
    _wait_until(lambda: not any(_is_alive(pid) for pid in pids))


def _two_nodes(state: Path, task: str) -> list["subprocess.Popen[str]"]:
    """The command on two nodes of a job, which are both this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    job = {"PET_NNODES": "2", "PET_NPROC_PER_NODE": "1", "PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": port}
    return [_start(state, task, environment={**job, "PET_NODE_RANK": str(rank)}) for rank in range(2)]


def _start(
    state: Path, task: str, *, num_processes: int = 1, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.training.launch_shortly", str(state), task, str(num_processes)],
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,
    )


def _heed_interrupts() -> None:
    """A process that a shell starts in the background ignores them, and so does whatever that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _pids(state: Path, *, num_ranks: int) -> list[int]:
    """The process of each rank, once all are there."""
    files = [state / f"rank-{rank}" for rank in range(num_ranks)]
    _wait_until(lambda: all(file.is_file() and file.read_text() for file in files))
    return [int(file.read_text().split()[0]) for file in files]


def _wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
