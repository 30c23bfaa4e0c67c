"""params.yaml, which people edit, says what the code's defaults are."""

from pathlib import Path

import yaml

from facetry.config import Params, load_params

PARAMS_FILE = Path(__file__).parents[2] / "params.yaml"


def test_params_yaml_holds_the_defaults() -> None:
    assert load_params(PARAMS_FILE) == Params()


def test_params_yaml_shows_every_parameter_in_the_order_of_the_code() -> None:
    shown = yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8"))
    assert _keys(shown) == _keys(Params().model_dump(mode="json"))


def _keys(tree: object, above: str = "") -> list[str]:
    if not isinstance(tree, dict):
        return [above]
    return [key for name, below in tree.items() for key in _keys(below, f"{above}.{name}")]
