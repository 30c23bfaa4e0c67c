"""Fine-tuning: a catalogue and a base model become a checkpoint."""

from facetry.training.stage import TrainSummary, train

__all__ = ["TrainSummary", "train"]
