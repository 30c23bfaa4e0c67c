"""`python -m pipelines.local` runs the pipeline `finetune` on this machine, without a cluster or containers.

Every task runs as a process of this Python. A task whose arguments, inputs and code have not changed is not run again.
"""

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

from kfp import dsl, local
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineTaskSpec

from facetry.config import Params, load_params
from facetry.errors import FacetryError
from facetry.revision import code_revision
from facetry.storage import write_atomically
from pipelines.finetune import STAGES, finetune, num_tasks, section_arguments
from pipelines.local_output import RunOutput, StageError, explain

RUN_NAME = "run.json"
TASK_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DS_LOG_LEVEL": "error",
}
"""Makes tasks print as they go, and libraries leave the word to the stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRun:
    """What run.json holds of a stage. `seconds` is the time its work took, be it now or in the earlier run."""

    path: str
    seconds: float
    cached: bool
    summary: str


def run(
    *, workspace: Path, source: str, source_version: str, base_model: str, num_parts: int, params: Params
) -> Mapping[str, StageRun]:
    """Run the pipeline under `workspace`, telling standard output how it goes, and write run.json there."""
    root = workspace / "kubeflow"
    root.mkdir(parents=True, exist_ok=True)
    with (root / "run.log").open("w", encoding="utf-8") as log:
        output = RunOutput(console=sys.stdout, log=log, num_tasks=num_tasks(num_parts=num_parts))
        with _kfp_writing_to(output):
            local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root), enable_caching=True)
            try:
                task = _one_by_one(finetune)(
                    source=source,
                    source_version=source_version,
                    base_model=base_model,
                    revision=code_revision(),
                    num_parts=num_parts,
                    **section_arguments(params),
                )
            except RuntimeError as error:
                if output.failed is None:
                    raise
                raise explain(output.failed) from error
    runs = {stage: _stage_run(task.outputs[stage], cached=stage in output.cached) for stage in STAGES}
    tree = {stage: asdict(stage_run) for stage, stage_run in runs.items()}
    write_atomically(workspace / RUN_NAME, (json.dumps(tree, indent=2, ensure_ascii=False) + "\n").encode())
    return runs


@contextmanager
def _kfp_writing_to(output: RunOutput) -> Iterator[None]:
    """Everything that kfp.local and its tasks print goes to `output`, line by line as it happens."""
    root_logger = logging.getLogger()
    level, handler = root_logger.level, logging.StreamHandler(output)
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d - %(levelname)s - %(message)s", "%H:%M:%S"))
    root_logger.addHandler(handler)
    root_logger.setLevel(logging.INFO)
    os.environ.update(TASK_ENVIRONMENT)
    try:
        with redirect_stdout(output), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*have no effect in the current local runner")
            warnings.filterwarnings("ignore", message=".*custom or non-Python base image")
            yield
    finally:
        root_logger.removeHandler(handler)
        root_logger.setLevel(level)


def _one_by_one(pipeline: dsl.base_component.BaseComponent) -> dsl.base_component.BaseComponent:
    """One task at a time, each using the whole machine, and once: retries are for nodes that go away."""
    for task in _tasks(pipeline):
        task.ClearField("retry_policy")
        if task.HasField("iterator_policy") or task.WhichOneof("iterator"):
            task.iterator_policy.parallelism_limit = 1
    return pipeline


def _tasks(pipeline: dsl.base_component.BaseComponent) -> Iterator[PipelineTaskSpec]:
    """Every task of the pipeline, those inside loops included."""
    spec = pipeline.pipeline_spec
    for dag in [spec.root.dag, *(component.dag for component in spec.components.values())]:
        yield from dag.tasks.values()


def _stage_run(artifact: dsl.Artifact, *, cached: bool) -> StageRun:
    seconds, summary = artifact.metadata["seconds"], artifact.metadata["summary"]
    return StageRun(path=artifact.path, seconds=round(seconds, 2), cached=cached, summary=summary)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exits 0 when every stage did its work, 2 for what the user can mend, 1 for what they cannot."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.local", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True, help="folder for the outputs, run.json and the cache")
    parser.add_argument("--source", required=True, help="the listings: a table, or a folder that holds one")
    parser.add_argument("--source-version", required=True, help="changes when the content of the source does")
    parser.add_argument("--base-model", required=True, help="a model folder, or the name of one on a hub")
    parser.add_argument(
        "--num-parts", type=int, default=1, help="into how many parts the source is divided (default: 1)"
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="parameters (default: params.yaml)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one parameter")
    given = parser.parse_args(arguments)
    try:
        run(
            workspace=given.workspace,
            source=given.source,
            source_version=given.source_version,
            base_model=given.base_model,
            num_parts=given.num_parts,
            params=load_params(given.params, given.set),
        )
    except FacetryError as error:
        print(error, file=sys.stderr)
        return 2
    except StageError as error:
        print(error, file=sys.stderr)
        return 2 if error.is_users else 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
