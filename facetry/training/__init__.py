"""Fine-tuning: a catalogue and a base model become a checkpoint."""

from facetry.training.stage import TrainSummary, preview, train

__all__ = ["TrainSummary", "preview", "train"]
