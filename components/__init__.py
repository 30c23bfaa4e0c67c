"""One Kubeflow component per stage, and for planning and merging its parts: each calls one library function."""

from components.clean import clean
from components.evaluate import evaluate
from components.examine import examine
from components.ingest import ingest
from components.merge import merge
from components.plan import plan
from components.release import release
from components.split import split
from components.train import train
from components.version import version

__all__ = ["clean", "evaluate", "examine", "ingest", "merge", "plan", "release", "split", "train", "version"]
