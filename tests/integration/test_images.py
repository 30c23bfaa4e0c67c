"""The images, really built, and really run as a cluster would run them."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from facetry import __version__
from facetry.errors import ServingError
from facetry.listing import Listing
from facetry.triton import Prediction, predict
from tests.charts.helm import Manifest, template
from tests.services.podman import Podman, missing_programs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

NAMES = ("data", "train", "serve")
RESTRICTED = ("--rm", "--read-only", "--user=54321:0", "--cap-drop=ALL", "--security-opt=no-new-privileges")
READY_SECONDS = 120
LIST_PACKAGE = """
import os, facetry
root = os.path.dirname(facetry.__file__)
for folder, _, files in os.walk(root, followlinks=True):
    if os.path.basename(folder) != "__pycache__":
        print(*(os.path.relpath(os.path.join(folder, file), root) for file in files), sep="\\n")
"""


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    if missing := missing_programs():
        pytest.skip(f"no container engine here ({missing[0]} is missing): run tests/services/install.sh")
    engine = Podman.set_up(tmp_path_factory.mktemp("podman"))
    engine.make_base_image()
    return engine


@pytest.fixture(scope="session")
def image(podman: Podman) -> Callable[[str], str]:
    """Builds the image of a name, once."""
    return cache(podman.build)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_runs_as_any_user_on_a_read_only_root(name: str, podman: Podman, image: Callable[[str], str]) -> None:
    said = podman("run", *RESTRICTED, "--network=none", image(name), "--version")
    assert said == f"facetry {__version__}"


@pytest.mark.parametrize("name", NAMES)
def test_an_image_holds_every_file_of_the_package(name: str, podman: Podman, image: Callable[[str], str]) -> None:
    listed = podman("run", *RESTRICTED, "--network=none", "--entrypoint=python", image(name), "-c", LIST_PACKAGE)
    here = subprocess.run([sys.executable, "-c", LIST_PACKAGE], capture_output=True, text=True, check=True).stdout
    assert set(listed.split()) == set(here.split())


@pytest.mark.parametrize(
    ("name", "packages"), [("data", "kfp, pyarrow, cv2"), ("train", "kfp, pyarrow, torch, transformers, deepspeed")]
)
def test_an_image_for_pipelines_holds_what_its_components_import(
    name: str, packages: str, podman: Podman, image: Callable[[str], str]
) -> None:
    run = ("run", *RESTRICTED, "--network=none", "--entrypoint=python", image(name), "-c")
    podman(*run, f"import {packages}")


def test_the_data_image_ingests_and_cleans_a_shop(podman: Podman, image: Callable[[str], str], tmp_path: Path) -> None:
    shop, out = tmp_path / "shop", tmp_path / "out"
    shop.mkdir()
    (shop / "listings.csv").write_text("id,title,category\n1,Rose serum,Skincare > Serum\n", encoding="utf-8")
    (shop / "taxonomy.yaml").write_text("Skincare:\n  categories:\n    Serum:\n    Mask:\n", encoding="utf-8")
    out.mkdir()
    out.chmod(0o777)
    run = ("run", *RESTRICTED, "--network=none", f"--volume={shop}:/shop:ro", f"--volume={out}:/run/facetry")
    podman(*run, image("data"), "ingest", "/shop", "--out", "ingested")
    podman(*run, image("data"), "clean", "ingested", "--out", "cleaned")
    assert (out / "cleaned" / "catalogue.json").is_file()


def test_the_pod_of_the_chart_answers_from_a_release_and_ends_when_told(
    podman: Podman, image: Callable[[str], str], tiny_release: Path
) -> None:
    manifests = template()
    with _pod(podman, manifests, image=image("serve"), release=tiny_release) as container:
        endpoint = podman("port", container, "8000")
        answer = _answer(endpoint, podman, container)
        assert " > " in answer.category
        assert 0 < answer.probability <= 1
        started = time.monotonic()
        grace = manifests["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        podman("stop", f"--time={grace}", container)
        assert time.monotonic() - started < grace
        assert podman("inspect", "--format={{.State.ExitCode}}", container) == "0"
        assert "Triton has ended" in podman("logs", container)


def test_the_pod_of_the_chart_refuses_a_changed_release_by_name(
    podman: Podman, image: Callable[[str], str], tiny_release: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "release"
    shutil.copytree(tiny_release, changed)
    with (changed / "checkpoint" / "taxonomy.yaml").open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    with _pod(podman, template(), image=image("serve"), release=changed) as container:
        assert podman("wait", container) == "2"
        assert "checkpoint/taxonomy.yaml was changed" in podman.attempt("logs", container).stderr.splitlines()[-1]


@contextmanager
def _pod(podman: Podman, manifests: Mapping[str, Manifest], *, image: str, release: Path) -> Iterator[str]:
    """The chart's container as its Deployment describes it, started by podman."""
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user, security = pod["securityContext"]["runAsUser"], container["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    shared_memory = next(volume for volume in pod["volumes"] if volume["name"] == "shared-memory")
    name = podman(
        *("run", "--detach", "--read-only", "--read-only-tmpfs=false", f"--user={user}:0"),
        *("--security-opt=no-new-privileges", *(f"--cap-drop={name}" for name in security["capabilities"]["drop"])),
        *("--memory", container["resources"]["limits"]["memory"].removesuffix("i").lower()),
        *("--shm-size", shared_memory["emptyDir"]["sizeLimit"].removesuffix("i").lower()),
        *("--tmpfs=/tmp:mode=1777", f"--volume={release}:/release:ro", "--publish=127.0.0.1::8000"),
        *(image, *container["args"]),
    )
    try:
        yield name
    finally:
        podman("rm", "--force", "--time=0", name)


def _answer(endpoint: str, podman: Podman, container: str) -> Prediction:
    """The first answer of a server that is about to become ready."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            return predict(endpoint, Listing("asked", title="Rose night cream"))
        except ServingError:
            state = podman("inspect", "--format={{.State.Status}}", container)
            if state != "running" or time.monotonic() > deadline:
                pytest.fail(f"the container ({state}) does not answer: {podman.attempt('logs', container)}")
            time.sleep(0.5)
