"""The whole way on the drawn shop: draw it, run the pipeline on it, serve the release and ask it three listings."""

import hashlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from facetry import storage
from facetry.catalogue import Catalogue
from facetry.config import DrawParams, ServeParams, load_params
from facetry.errors import FacetryError, ServingError
from facetry.listing import Listing, Split
from facetry.revision import code_revision
from facetry.taxonomy import SEPARATOR
from facetry.triton import Prediction, TritonServer, predict

NUM_ASKED = 3
DRAWN_NAME = "drawn.json"
PIPELINE = "pipelines.local"


@dataclass(frozen=True, slots=True)
class Run:
    """What the pipeline left behind: where each stage's output is, and how long it took."""

    stages: Mapping[str, Mapping[str, object]]

    @classmethod
    def read(cls, workspace: Path) -> "Run":
        return cls(json.loads((workspace / "run.json").read_bytes()))

    def path(self, stage: str) -> Path:
        return Path(str(self.stages[stage]["path"]))


def run_demo(workspace: Path, *, params_file: Path | None, overrides: Sequence[str]) -> None:
    """Go the whole way in `workspace`; what is unchanged since the last time is not done again."""
    if not Path("pipelines/local.py").is_file():
        raise FacetryError("the demo runs from a checkout of the repository: change to its folder and run it again")
    console = Console(highlight=False, soft_wrap=True)
    params = load_params(params_file, overrides)
    seconds_drawing = draw_once(workspace / "drawn", params=params.draw, console=console)
    _run_pipeline(workspace, params_file=params_file, overrides=overrides)
    run = Run.read(workspace)
    started = time.monotonic()
    console.print("\nserve    starting Triton on the release")
    with TritonServer.start(run.path("release"), params=params.serve) as server:
        seconds_starting = time.monotonic() - started
        offline = _offline_answers(run)
        listings = _held_out(run, answered=offline)
        predictions = [predict(server.http_endpoint, listing) for listing in listings]
    _print_answers(console, listings=listings, predictions=predictions, drawn=workspace / "drawn")
    _print_agreement(console, offline=offline, listings=listings, predictions=predictions)
    _print_scores(console, run=run)
    _print_seconds(console, run=run, before={"draw": seconds_drawing}, after={"serve": seconds_starting})
    _print_next_steps(console, run=run, params=params.serve, asked=listings[0], drawn=workspace / "drawn")


def draw_once(out: Path, *, params: DrawParams, console: Console) -> float | None:
    """Draw the shop unless the same code drew the same one before; the seconds it took, None if it was there."""
    from facetry.synthetic import draw

    stamp = out.parent / f".{out.name}-stamp"
    identity = f"{code_revision()} {params.model_dump_json()}\n"
    if (out / DRAWN_NAME).is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == identity:
        console.print("draw     unchanged")
        return None
    started = time.monotonic()
    summary = draw(out, params=params)
    storage.write_atomically(stamp, identity.encode())
    seconds = time.monotonic() - started
    console.print(f"draw     {summary.one_line()} ({seconds:.0f} s)")
    return seconds


def _run_pipeline(workspace: Path, *, params_file: Path | None, overrides: Sequence[str]) -> None:
    """Run the Kubeflow pipeline on this machine, in a process of its own: this library knows nothing of Kubeflow."""
    drawn = workspace / "drawn"
    command = [sys.executable, "-m", PIPELINE, "--workspace", str(workspace), "--source", str(drawn)]
    content = b"".join((drawn / name).read_bytes() for name in (DRAWN_NAME, "listings.csv"))
    command += ["--source-version", hashlib.sha256(content).hexdigest()]
    command += ["--base-model", str(drawn / "base-model")]
    command += ["--params", str(params_file)] if params_file else []
    versions = workspace / "versions"
    kept = (f"version.repository={versions / 'repository'}", f"version.remote={versions / 'remote'}")
    command += [part for override in (*kept, *overrides) for part in ("--set", override)]
    finished = subprocess.run(command, check=False)
    if finished.returncode != 0:
        raise FacetryError("the pipeline stopped: the line above says why; the same command goes on from there")


def _offline_answers(run: Run) -> dict[str, str]:
    """What the evaluation was answered, by listing."""
    lines = (run.path("evaluate") / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    return {answer["id"]: answer["answer"] for answer in map(json.loads, lines)}


def _held_out(run: Run, *, answered: Collection[str]) -> list[Listing]:
    """One listing with a picture from each department of the shop, of brands that the model has never seen."""
    chosen: dict[str, Listing] = {}
    for listing in Catalogue.open(run.path("split")).listings(split=Split.TEST):
        if listing.id in answered and listing.label is not None and listing.usable_images:
            chosen.setdefault(listing.label.category.split(SEPARATOR)[0], listing)
        if len(chosen) == NUM_ASKED:
            break
    return list(chosen.values())


def _picture(listing: Listing, *, drawn: Path) -> Path:
    return drawn / listing.usable_images[0].path


def _print_answers(
    console: Console, *, listings: Sequence[Listing], predictions: Sequence[Prediction], drawn: Path
) -> None:
    for listing, prediction in zip(listings, predictions, strict=True):
        assert listing.label is not None
        attributes = ", ".join(f"{name}: {value}" for name, value in prediction.attributes.items())
        console.print(f"\n[bold]{_picture(listing, drawn=drawn)}[/bold]  {listing.title or '(no title)'}")
        console.print(f"  is      {listing.label.category}")
        console.print(f"  answer  {prediction.category}  (probability {prediction.probability:.2f})")
        console.print(f"          {attributes}")


def _print_agreement(
    console: Console, *, offline: Mapping[str, str], listings: Sequence[Listing], predictions: Sequence[Prediction]
) -> None:
    """Hold the served answers against those of the evaluation; a difference is an error."""
    for listing, prediction in zip(listings, predictions, strict=True):
        if offline[listing.id] != prediction.category:
            raise ServingError(
                f"listing {listing.id} was answered '{offline[listing.id]}' offline and '{prediction.category}' "
                "by the server: make the release again in the environment that serves it"
            )
    console.print(f"\nThe served answers equal the offline ones ({len(listings)} of {len(listings)}).")


def _print_scores(console: Console, *, run: Run) -> None:
    report = json.loads((run.path("evaluate") / "report.json").read_bytes())
    table = Table("exact category, held-out brands", "accuracy")
    table.add_row("[bold]fine-tuned model[/bold]", f"[bold]{report['metrics']['accuracy']:.3f}[/bold]")
    table.add_row("nearest neighbours on image features", f"{report['metrics']['neighbours_accuracy']:.3f}")
    table.add_row("most frequent category", f"{report['metrics']['majority_accuracy']:.3f}")
    console.print(table)


def _print_seconds(
    console: Console, *, run: Run, before: Mapping[str, float | None], after: Mapping[str, float | None]
) -> None:
    """Seconds per stage; a stage that was not done again shows what it took when it was."""
    table = Table("stage", "seconds", "")
    for stage, seconds in before.items():
        table.add_row(stage, "" if seconds is None else f"{seconds:.1f}", "unchanged" if seconds is None else "")
    for stage, facts in run.stages.items():
        table.add_row(stage, f"{facts['seconds']:.1f}", "unchanged" if facts["cached"] else "")
    for stage, seconds in after.items():
        table.add_row(stage, f"{seconds:.1f}", "")
    console.print(table)


def _print_next_steps(console: Console, *, run: Run, params: ServeParams, asked: Listing, drawn: Path) -> None:
    ask = [
        "facetry",
        "predict",
        f"http://{params.host}:{params.http_port}",
        "--image",
        str(_picture(asked, drawn=drawn)),
    ]
    ask += ["--title", asked.title] if asked.title else []
    console.print(f"\nreport         {run.path('evaluate') / 'report.html'}")
    console.print(f"start it again .venv/bin/facetry serve {run.path('release')}")
    console.print(f"ask it         .venv/bin/{shlex.join(ask)}")
