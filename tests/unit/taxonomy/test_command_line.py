"""`facetry taxonomy`, as a person runs it: check, convert, diff, relabel."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facetry.catalogue import Catalogue
from facetry.cli.app import app
from facetry.errors import TaxonomyError
from facetry.taxonomy import read_taxonomy
from tests.unit.ingest.shop_folder import write_shop

RUNNER = CliRunner()
OLD = "1 - Kitchen\n2 - Kitchen > Pan\n3 - Kitchen > Pot\n"
NEW = "1 - Kitchen\n2 - Kitchen > Pans\n4 - Kitchen > Wok\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.txt").write_text(OLD)
    (tmp_path / "new.txt").write_text(NEW)
    return tmp_path


def said(*arguments: str) -> str:
    result = RUNNER.invoke(app, ["taxonomy", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("files")
def test_a_taxonomy_is_described() -> None:
    assert said("check", "old.txt") == (
        "old.txt is Google's text: 3 categories, 2 of them leaves, 2 levels, 0 attributes\n"
    )


def test_a_faulty_taxonomy_ends_with_its_faults(files: Path) -> None:
    (files / "bad.txt").write_text(f"{OLD}3 - Garden > Spade\n")
    with pytest.raises(TaxonomyError, match=r"bad\.txt has 2 faults\n  line 4"):
        said("check", "bad.txt")


def test_a_taxonomy_becomes_yaml(files: Path) -> None:
    said("convert", "old.txt", "--out", "old.yaml")
    assert read_taxonomy(files / "old.yaml") == read_taxonomy(files / "old.txt")


@pytest.mark.usefixtures("files")
def test_a_difference_is_lines_json_and_a_mapping() -> None:
    assert said("diff", "old.txt", "new.txt", "--mapping", "map.yaml").splitlines() == [
        "renamed               Kitchen > Pan",
        "                      → Kitchen > Pans",
        "removed               Kitchen > Pot",
        "added                 Kitchen > Wok",
        "1 added, 1 removed, 1 renamed, 0 re-parented, 0 moved along with these, 1 kept",
    ]
    assert json.loads(said("diff", "old.txt", "new.txt", "--json"))["num_kept"] == 1
    assert Path("map.yaml").read_text().splitlines()[1] == '"Kitchen > Pan": "Kitchen > Pans"'


def test_googles_text_is_ingested_and_relabelled(files: Path) -> None:
    shop = write_shop(files / "shop", ["1,a pan,,Kitchen > Pan,,", "2,a pot,,Kitchen > Pot,,", "3,?,,Kitchen > Pit,,"])
    (shop / "taxonomy.yaml").unlink()
    taken = RUNNER.invoke(app, ["ingest", "shop", "--out", "taken", "--set", "ingest.taxonomy=old.txt"])
    assert "       1  category 'Kitchen > Pit' is not in the taxonomy: did you mean 'Kitchen > Pot'?" in taken.output
    assert Catalogue.open(files / "taken").taxonomy == read_taxonomy(files / "old.txt")
    said("diff", "old.txt", "new.txt", "--mapping", "map.yaml")
    common = ("relabel", "taken", "--taxonomy", "new.txt", "--mapping", "map.yaml", "--out", "relabelled")
    with pytest.raises(TaxonomyError, match="1  category 'Kitchen > Pot' is not in the taxonomy"):
        said(*common)
    assert said(*common, "--drop-unknown").startswith("relabelled 2 listings: 1 labels mapped, 0 kept, 1 dropped")
    assert Catalogue.open(files / "relabelled").taxonomy == read_taxonomy(files / "new.txt")
