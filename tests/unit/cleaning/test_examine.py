"""Parts of a catalogue are looked at apart and judged together, as if it had been done in one go."""

import json
from pathlib import Path

import pytest

from facetry.catalogue import Catalogue
from facetry.cleaning import clean, examine
from facetry.config import CleanParams
from facetry.errors import CatalogueError
from facetry.parts import Part
from tests.unit.cleaning.shops import catalogue, encode, files, listing, picture, varied_listings

PARAMS = CleanParams()


def examine_parts(of: Catalogue, folder: Path, *, num_parts: int) -> list[Path]:
    outs = [folder / f"findings-{index}" for index in range(num_parts)]
    for index, out in enumerate(outs):
        examine(of, params=PARAMS, out=out, part=Part(index, num_parts))
    return outs


def test_parts_that_are_examined_apart_give_the_same_bytes(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "in", varied_listings(60), shard_megabytes=0.1)
    assert len(shop.manifest.shards) > 4
    whole = clean(shop, params=PARAMS, out=tmp_path / "whole")
    findings = examine_parts(shop, tmp_path, num_parts=3)
    parts = clean(shop, params=PARAMS, out=tmp_path / "parts", findings=findings)
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    assert parts == whole
    assert {"duplicate", "small", "corrupt"} <= whole.rejected.keys()
    assert whole.num_conflicts > 0


def test_findings_outlive_a_merge_that_cuts_shards_anew_and_drops_and_relabels_listings(tmp_path: Path) -> None:
    listings = varied_listings(60)
    halves = [catalogue(tmp_path / f"half-{start}", listings[start : start + 30]) for start in (0, 30)]
    findings = [out for half in halves for out in examine_parts(half, Path(half.location), num_parts=1)]
    audited = listing("item-001", *(image.data for image in listings[1].images), category="Pot")
    merged = catalogue(tmp_path / "merged", [listings[0], audited, *listings[3:]], shard_megabytes=0.1)
    clean(merged, params=PARAMS, out=tmp_path / "whole")
    clean(merged, params=PARAMS, out=tmp_path / "parts", findings=findings)
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_an_image_that_no_part_has_is_an_error_that_names_its_listing(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "in", varied_listings(60), shard_megabytes=0.1)
    findings = examine_parts(shop, tmp_path, num_parts=3)
    with pytest.raises(CatalogueError, match=r"listing 'item-\d+' has an image that the findings say nothing of"):
        clean(shop, params=PARAMS, out=tmp_path / "out", findings=findings[:2])
    assert not (tmp_path / "out").exists()


def test_a_part_without_shards_has_no_findings(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "in", [listing("a", encode(picture(1)))])
    first, second = examine_parts(shop, tmp_path, num_parts=2)
    assert examine(shop, params=PARAMS, out=first, part=Part(0, 2)).num_listings == 0
    summary = examine(shop, params=PARAMS, out=second, part=Part(1, 2))
    assert summary.one_line() == "examined 1 images of 1 listings"
    assert clean(shop, params=PARAMS, out=tmp_path / "out", findings=[first, second]).num_kept == 1


def test_the_summary_counts_the_faults(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "in", [listing("a", encode(picture(1)), b"no picture", encode(picture(1, side=64)))])
    summary = examine(shop, params=PARAMS, out=tmp_path / "findings")
    assert summary.one_line() == "examined 3 images of 1 listings (1 corrupt, 1 small)"


def test_findings_made_with_other_parameters_are_refused(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "in", [listing("a", encode(picture(1)))])
    examine(shop, params=CleanParams(max_megapixels=30), out=tmp_path / "findings")
    with pytest.raises(CatalogueError, match=r"were made with max_megapixels 30\.0, not 50\.0: run `facetry examine`"):
        clean(shop, params=PARAMS, out=tmp_path / "out", findings=[tmp_path / "findings"])


@pytest.mark.parametrize(
    ("threshold", "fault"),
    [({"min_sharpness": 1e6}, "blurred"), ({"min_contrast": 90}, "blank"), ({"min_side_pixels": 330}, "small")],
)
def test_other_thresholds_need_no_other_findings(tmp_path: Path, threshold: dict[str, float], fault: str) -> None:
    shop = catalogue(tmp_path / "in", varied_listings(12))
    params = CleanParams.model_validate(threshold)
    examined = examine(shop, params=PARAMS, out=tmp_path / "findings")
    summary = clean(shop, params=params, out=tmp_path / "recalled", findings=[tmp_path / "findings"])
    clean(shop, params=params, out=tmp_path / "fresh")
    assert files(tmp_path / "recalled") == files(tmp_path / "fresh")
    assert summary.rejected[fault] > examined.faults.get(fault, 0)


def test_another_duplicate_radius_needs_no_other_findings(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "in", [listing("a", encode(picture(1))), listing("b", encode(picture(1)))])
    examine(shop, params=PARAMS, out=tmp_path / "findings")
    params = CleanParams(duplicate_radius=0)
    assert clean(shop, params=params, out=tmp_path / "out", findings=[tmp_path / "findings"]).num_kept == 1


def test_findings_of_other_code_are_refused(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "in", [listing("a", encode(picture(1)))])
    examine(shop, params=PARAMS, out=tmp_path / "findings")
    manifest = json.loads((tmp_path / "findings/findings.json").read_text())
    manifest["depends_on"]["revision"] = "0.0.9+000000000000"
    (tmp_path / "findings/findings.json").write_text(json.dumps(manifest))
    with pytest.raises(CatalogueError, match=r"made with revision 0\.0\.9"):
        clean(shop, params=PARAMS, out=tmp_path / "out", findings=[tmp_path / "findings"])


def test_damaged_findings_are_one_line(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "in", varied_listings(20))
    examine(shop, params=PARAMS, out=tmp_path / "findings")
    (file,) = (tmp_path / "findings").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(CatalogueError, match=r"is damaged: run `facetry examine` again") as raised:
        clean(shop, params=PARAMS, out=tmp_path / "out", findings=[tmp_path / "findings"])
    assert "\n" not in str(raised.value)


def test_a_folder_that_holds_no_findings_is_refused(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "in", [listing("a", encode(picture(1)))])
    with pytest.raises(CatalogueError, match="holds no findings: name folders that `facetry examine` wrote"):
        clean(shop, params=PARAMS, out=tmp_path / "out", findings=[tmp_path / "in"])
