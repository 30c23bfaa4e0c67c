"""Memory stays bounded, however long the table is and however large its pictures are."""

import subprocess
import sys
from pathlib import Path

import pytest

from facetry.config import FetchParams, IngestParams
from tests.services.shop_server import Reply, ShopServer
from tests.unit.ingest.shop_folder import write_shop

TAKE = """
import sys
from pathlib import Path
from facetry.config import IngestParams
from facetry.ingest import ingest

summary = ingest(sys.argv[1], params=IngestParams.model_validate_json(sys.argv[3]), out=sys.argv[2])
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
print(summary.num_kept, summary.num_images, int(peak.split()[1]) // 1024)
"""


def take_elsewhere(shop: Path, *, params: IngestParams | None = None) -> tuple[int, int, int]:
    """Kept listings, images, and the most megabytes that a process of its own took for them."""
    params_json = (params or IngestParams()).model_dump_json()
    command = [sys.executable, "-c", TAKE, str(shop), str(shop.parent / "out"), params_json]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    num_kept, num_images, num_megabytes = map(int, printed.splitlines()[-1].split())
    return num_kept, num_images, num_megabytes


@pytest.mark.parametrize(
    ("many", "max_growth"), [(200_000, 10), pytest.param(1_000_000, 40, marks=pytest.mark.integration)]
)
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, many: int, max_growth: int) -> None:
    """But for the caches, such as that of the ids seen, which a million rows fill; their ids alone would take more."""
    megabytes = []
    for num_rows in (40_000, many):
        folder = tmp_path / str(num_rows)
        shop = write_shop(folder / "shop", [])
        with (shop / "listings.csv").open("w") as table:
            table.write("id,title\n")
            table.writelines(f"sku-{number},Pan {number}\n" for number in range(num_rows))
        num_kept, _, num_megabytes = take_elsewhere(shop)
        assert num_kept == num_rows
        megabytes.append(num_megabytes)
    assert megabytes[1] < 400
    assert megabytes[1] - megabytes[0] < max_growth


def test_memory_does_not_grow_with_the_pictures_behind_one_that_stalls(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", [])
    (shop / "images/large.jpg").write_bytes(bytes(4 * 2**20))
    rows = (f"{number},Pan,{';'.join(['images/large.jpg'] * 4)}" for number in range(60))
    fetch = FetchParams.model_validate({"allowed_networks": ["127.0.0.1/32"], "timeout_seconds": 2, "num_tries": 1})
    with ShopServer() as server:
        stalled = server.serve("/stalls.jpg", Reply(stalls=True))
        (shop / "listings.csv").write_text("\n".join(["id,title,images", f"first,Pot,{stalled}", *rows]))
        num_kept, num_images, num_megabytes = take_elsewhere(shop, params=IngestParams(fetch=fetch))
    assert (num_kept, num_images) == (61, 240)
    assert num_megabytes < 500
