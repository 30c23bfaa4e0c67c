"""The checked-in YAML, and what each task is given on a cluster."""

from pathlib import Path

import pytest
import yaml

import facetry
from components import image_names
from pipelines.compile import COMPILED, compiled
from pipelines.resources import RESOURCES

GPU_TASKS = ("train", "evaluate", "release")
PIPELINE, PLATFORM = yaml.safe_load_all(next(iter(COMPILED)).read_text(encoding="utf-8"))
EXECUTORS = PIPELINE["deploymentSpec"]["executors"]
DAGS = [PIPELINE["root"]["dag"], *(part["dag"] for part in PIPELINE["components"].values() if "dag" in part)]
LOOPS = {name: task for dag in DAGS for name, task in dag["tasks"].items() if "parameterIterator" in task}
TASKS = {name: task for dag in DAGS for name, task in dag["tasks"].items() if name not in LOOPS}


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.name)
def test_checked_in_yaml_is_what_the_code_compiles_to(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == compiled(COMPILED[path]), "run `python -m pipelines.compile`"


def test_every_task_has_resources_of_its_own() -> None:
    assert set(TASKS) == set(RESOURCES)


def test_the_source_is_read_and_its_images_are_examined_in_parts_side_by_side() -> None:
    (loop,) = LOOPS.values()
    inside = PIPELINE["components"][loop["componentRef"]["name"]]["dag"]["tasks"]
    assert set(inside) == {"ingest", "examine"}
    assert "parallelismLimit" not in loop.get("iteratorPolicy", {})


@pytest.mark.parametrize("task", RESOURCES)
def test_every_task_has_cpu_and_memory_limits_and_is_cached(task: str) -> None:
    resources = EXECUTORS[f"exec-{task}"]["container"]["resources"]
    assert float(resources["cpuLimit"]) > 0
    assert float(resources["memoryLimit"]) > 0
    assert TASKS[task]["cachingOptions"] == {"enableCache": True}
    assert TASKS[task]["retryPolicy"]["maxRetryCount"] > 0


@pytest.mark.parametrize("task", RESOURCES)
def test_what_loads_a_model_gets_a_gpu_and_may_stand_on_gpu_nodes(task: str) -> None:
    accelerator = EXECUTORS[f"exec-{task}"]["container"]["resources"].get("accelerator")
    platform = PLATFORM["platforms"]["kubernetes"]["deploymentSpec"]["executors"].get(f"exec-{task}", {})
    if task in GPU_TASKS:
        assert accelerator["type"] == "nvidia.com/gpu"
        assert int(accelerator["count"]) >= 1
        assert platform["tolerations"] == [{"effect": "NoSchedule", "key": "nvidia.com/gpu", "operator": "Exists"}]
    else:
        assert accelerator is None
        assert platform == {}


def test_training_has_shared_memory_of_its_own() -> None:
    mounts = PLATFORM["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]["emptyDirMounts"]
    assert [mount["mountPath"] for mount in mounts] == ["/dev/shm"]  # noqa: S108 - a path in a container


@pytest.mark.parametrize("task", set(RESOURCES) - {"plan"})
def test_every_task_is_cached_by_the_code_that_runs(task: str) -> None:
    given = TASKS[task]["inputs"]["parameters"]["revision"]["componentInputParameter"]
    assert given in ("revision", "pipelinechannel--revision")


def test_no_task_gets_its_behaviour_from_the_environment_or_installs_packages() -> None:
    for executor in EXECUTORS.values():
        assert "env" not in executor["container"]
        assert not any("pip install" in part for part in executor["container"]["command"])


def test_images_have_the_version_of_facetry() -> None:
    for image in (image_names.DATA_IMAGE, image_names.TRAIN_IMAGE):
        assert image.rpartition(":")[2] == facetry.__version__
