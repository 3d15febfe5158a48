"""One HTML file that tells what a workspace holds, for people who do not have the server.

It opens from disk, asks for nothing and runs no script: figures, tables and pictures are in it.
Every section reads artefacts of the cache and computes its figures with ``pipelines.methods``, as
the dashboard does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cache import Workspace
from cache.artefact import write_whole
from pipelines.errors import ReportError
from pipelines.methods import number
from pipelines.methods.metrics import top_confusions
from pipelines.reporting import compared, dataset, embedded, labelled, occluded, provenance, runs
from pipelines.reporting.markup import Html, name, note, tag
from pipelines.reporting.page import page
from pipelines.reporting.pictures import BYTES
from pipelines.reporting.reading import Answered, Source, told

FILE: Final = "report.html"
"""Name of the report in the folder of its workspace."""


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        path: Where it is.
        bytes: How large it is.
    """

    path: Path
    bytes: int


def write(workspace: Workspace, path: Path | None = None) -> Report:
    """Write the report of a workspace, whole or not at all.

    Args:
        workspace: Finished or not; what is missing is told.
        path: The file; ``report.html`` in the folder of the workspace if None.

    Raises:
        ReportError: The file cannot be written.
        CacheError: The workspace itself cannot be read.
    """
    path = workspace.folder / FILE if path is None else path
    content = document(workspace).encode(errors="replace")
    try:
        write_whole(path, content)
    except OSError as error:
        raise ReportError(
            f"The report cannot be written to {path} ({error.strerror}). "
            "Give another file with --out."
        ) from error
    return Report(path, len(content))


def document(workspace: Workspace) -> str:
    """The report of a workspace as HTML; arguments and errors as :func:`write`."""
    source = Source(workspace)
    written = datetime.now(UTC).isoformat(timespec="seconds")
    if not workspace.artefact("samples").exists:
        missing = note("No images were read yet.", "Run:", workspace.command)
        header = tag("div", tag("h1", name(workspace.name)), missing)
        about = (provenance.TITLE, provenance.ANCHOR)
        return page(workspace.name, [about], header, provenance.tell(source, written))
    galleries = len(workspace.runs()) + len(occluded.all_of(source))
    galleries += labelled.GALLERIES * len(labelled.searches(source))
    room = BYTES // max(galleries, 1)
    command = workspace.command
    parts: list[tuple[str, str, Html | None]] = [
        (dataset.TITLE, dataset.ANCHOR, dataset.tell(source)),
        (runs.TITLE, runs.ANCHOR, runs.tell(source, room)),
        (compared.TITLE, compared.ANCHOR, compared.tell(source)),
        (embedded.TITLE, embedded.ANCHOR, embedded.tell(source)),
        (occluded.TITLE, occluded.ANCHOR, occluded.tell(source, room)),
        (labelled.TITLE, labelled.ANCHOR, labelled.tell(source, room)),
        (provenance.TITLE, provenance.ANCHOR, provenance.tell(source, written)),
    ]
    there = [(title, anchor, part) for title, anchor, part in parts if part is not None]
    return page(
        f"{workspace.dataset.title}: report",
        [(title, anchor) for title, anchor, _ in there],
        tag(
            "div",
            tag("h1", name(workspace.dataset.title)),
            tag("p", *told("What was found", command, _finding, source), class_="finding"),
            tag("p", f"Workspace {workspace.name}, report of {written}.", class_="faint"),
            *provenance.undone(source),
        ),
        *(part for _, _, part in there),
    )


def _finding(source: Source) -> list[Html]:
    """What a reader is to know first. Runs are chosen on val; test only reports."""
    images = number.plural(len(source.samples), "image")
    classes = number.plural(len(source.workspace.dataset.classes), "class", "classes")
    simulated = "simulated " if source.workspace.dataset.simulated else ""
    start = f"{images} of {classes}".replace(" image", f" {simulated}image", 1)
    answered = list(source.answered.values())
    if not answered:
        return [Html(tag("span", f"{start}. No run has predictions yet."))]
    best = max(answered, key=_on_val)
    which = "The run "
    if len(answered) > 1 and _on_val(best) >= 0:
        which = f"Of {len(answered):,} runs the one that is right most often on val, "
    rest = f" {_mistakes(best)}"
    comma = "," if which.startswith("Of") else ""
    return [tag("span", f"{start}. {which}", name(best.run.name), f"{comma}{rest}")]


def _on_val(answered: Answered) -> float:
    rate = runs.accuracy(answered, "val")
    return rate.value if rate.n else -1.0


def _mistakes(answered: Answered) -> str:
    matrix = answered.matrix("test")
    rate = runs.accuracy(answered, "test")
    if not rate.n:
        return "was asked no test images."
    confused = top_confusions(matrix, answered.run.workspace.dataset.classes)
    said = f"is right on {number.rate(rate)} of the test images."
    wrong = int(confused["count"].sum())
    if wrong and confused["count"].iloc[0] > 1:
        first = confused.iloc[0]
        said += (
            f" {int(first['count']):,} of its {wrong:,} mistakes are “{first['true']}” taken for "
            f"“{first['predicted']}”."
        )
    return said
