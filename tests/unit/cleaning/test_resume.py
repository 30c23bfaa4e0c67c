"""A run that is killed goes on from where it was, and ends as if nothing had happened."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from facetry.catalogue import Catalogue
from facetry.cleaning import clean
from facetry.cleaning.findings import REPEATED, read_table, write_table
from facetry.config import CleanParams
from tests.unit.cleaning.shops import catalogue, encode, files, listing, picture


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Large pictures in many shards, so that looking at them takes a while."""
    images = (encode(picture(number, side=1200), quality=70) for number in range(50))
    listings = [listing(f"item-{number:03d}", data, data[:-9]) for number, data in enumerate(images)]
    return catalogue(tmp_path_factory.mktemp("shop") / "in", listings, shard_megabytes=0.5)


def start(shop: Catalogue, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "facetry", "clean", shop.location, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def run(shop: Catalogue, out: Path) -> float:
    """How many seconds a whole run took."""
    started = time.monotonic()
    assert start(shop, out).wait() == 0
    return time.monotonic() - started


def progress(out: Path) -> Path:
    return out.parent / f".{out.name}.progress"


def test_a_run_killed_again_and_again_ends_with_the_same_bytes(shop: Catalogue, tmp_path: Path) -> None:
    seconds = run(shop, tmp_path / "undisturbed")
    moments = random.Random(5)
    ends = []
    for _ in range(3):
        moment = moments.uniform(0.4, 1.0) * seconds
        process = start(shop, tmp_path / "out")
        time.sleep(moment)
        process.kill()
        ends.append((f"{moment:.2f} s", process.wait()))
    assert -signal.SIGKILL in [code for _, code in ends], f"no run was killed: {ends}"
    run(shop, tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "undisturbed"), f"moments and exit codes: {ends}"
    assert {path.name for path in tmp_path.iterdir()} == {"undisturbed", "out"}, f"moments and exit codes: {ends}"


def left_by_a_killed_run(shop: Catalogue, out: Path) -> Path:
    """The findings of a shard that was done when the run was killed."""
    process = start(shop, out)
    while not (done := list(progress(out).glob("*/*.parquet"))):
        assert process.poll() is None, "the run ended before it was killed"
        time.sleep(0.002)
    process.kill()
    process.wait()
    return done[0]


@pytest.fixture
def half_done(shop: Catalogue, tmp_path: Path) -> Path:
    """Where a run was killed, and the findings it left were changed into what no run would find."""
    left = left_by_a_killed_run(shop, tmp_path / "out")
    table = read_table(left)
    refusals = pa.array(["large"] * table.num_rows).cast(REPEATED)
    write_table(table.set_column(table.schema.get_field_index("refusal"), "refusal", refusals), left)
    return tmp_path / "out"


@pytest.mark.parametrize("params", [CleanParams(), CleanParams(min_sharpness=59)])
def test_what_was_examined_before_the_kill_is_not_examined_again(
    shop: Catalogue, half_done: Path, params: CleanParams
) -> None:
    summary = clean(shop, params=params, out=half_done)
    assert 0 < summary.rejected["large"] < summary.num_images
    assert not progress(half_done).exists()


def test_when_images_are_seen_otherwise_nothing_of_the_killed_run_counts(shop: Catalogue, half_done: Path) -> None:
    summary = clean(shop, params=CleanParams(max_megapixels=49), out=half_done)
    assert "large" not in summary.rejected
