"""`python -m pipelines.compile` writes the pipelines as YAML that Kubeflow takes, next to their code."""

import tempfile
from pathlib import Path

from kfp.compiler import Compiler
from kfp.dsl.base_component import BaseComponent

from pipelines.finetune import finetune

HEADER = "# Written by `python -m pipelines.compile`: change the code, not this file.\n"
COMPILED = {Path(__file__).with_name("finetune.yaml"): finetune}


def compiled(pipeline: BaseComponent) -> str:
    """The pipeline as YAML, the same text every time: kfp's own header lists defaults in an order of chance."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        Compiler().compile(pipeline, str(path))
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return HEADER + "".join(line for line in lines if not line.startswith("#"))


def main() -> None:
    for path, pipeline in COMPILED.items():
        path.write_text(compiled(pipeline), encoding="utf-8")
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
