"""One Kubeflow component per stage: each maps its arguments and calls one library function."""

from components.clean import clean
from components.evaluate import evaluate
from components.ingest import ingest
from components.release import release
from components.split import split
from components.train import train

__all__ = ["clean", "evaluate", "ingest", "release", "split", "train"]
