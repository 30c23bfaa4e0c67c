"""Asking a checkpoint about listings that it never saw, and saying how well it answered."""

from facetry.evaluation.stage import EvaluateSummary, evaluate

__all__ = ["EvaluateSummary", "evaluate"]
