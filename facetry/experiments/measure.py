"""A number that the runs of an experiment are compared by."""

from collections.abc import Mapping
from typing import Any, Literal

from facetry.config import EvaluateParams, Section, overlaid
from facetry.errors import ConfigError

Report = Mapping[str, Any]
"""What `report.json` of an evaluation holds."""


class Measure(Section):
    """A metric of an evaluation, of all its answers or of one attribute's.

    The model is asked about the test split, or about brands that were set apart before anything was split, as
    `evaluate` says where it differs from the other evaluations of its run.
    """

    metric: str = "accuracy"
    attribute: str | None = None
    about: Literal["test split", "new brands"] = "test split"
    evaluate: Mapping[str, object] = {}

    def params(self, common: EvaluateParams) -> EvaluateParams:
        """How it is taken, in a run whose evaluations are otherwise done as `common` says."""
        return EvaluateParams.model_validate(overlaid(common.model_dump(), self.evaluate))

    def read(self, report: Report, *, name: str) -> float:
        """Its value in a report; `name` is what the recipe calls it."""
        metrics = report["metrics"]
        if self.attribute is not None:
            attributes = {each["name"]: each for each in report["scores"]["attributes"]}
            if self.attribute not in attributes:
                known = ", ".join(attributes) or "none"
                raise ConfigError(f"measures.{name}.attribute: no '{self.attribute}' was asked for, but {known}")
            metrics = attributes[self.attribute]
        value = metrics.get(self.metric)
        if not isinstance(value, int | float):
            known = ", ".join(each for each in metrics if isinstance(metrics[each], int | float))
            raise ConfigError(f"measures.{name}.metric: no metric '{self.metric}' was measured: use one of {known}")
        return float(value)
