"""Commands of ``python -m pipelines``: run, check, list, status, clean, labels, report.

The functions are the commands and their docstrings the help texts.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from cache import Workspace, list_workspaces, open_workspace
from cache.errors import CacheError, CentauroError
from cache.lock import writing_lock
from pipelines.recipe import Recipe, load_recipe, shipped_recipes

if TYPE_CHECKING:
    from pipelines.labels import Export

app = typer.Typer(
    help="Make the artefacts that the dashboard shows: train, predict, and write to the cache.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
labels = typer.Typer(no_args_is_help=True)
app.add_typer(labels, name="labels", help="What reviewers decided on labels.")
out = Console()
err = Console(stderr=True)

RecipeArgument = Annotated[
    str, typer.Argument(help="A recipe that comes with Centauro (see 'list'), or a YAML file.")
]
RecipesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="RECIPE...",
        help="Recipes that come with Centauro (see 'list'), or YAML files.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a field: dotted.key=value, the value in YAML. May be repeated.",
    ),
]
WorkspaceArgument = Annotated[str, typer.Argument(help="Name of the workspace.")]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", help="Folder of the workspaces (or set CENTAURO_CACHE)."),
]


@contextmanager
def _told() -> Iterator[None]:
    """Turn an error that is meant for the user into its message and exit status 1."""
    try:
        yield
    except CentauroError as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        err.print("Stopped. Run the same command again to go on from there.")
        raise typer.Exit(130) from error


@app.command()
def run(
    recipes: RecipesArgument,
    sets: SetOption = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Run only this stage (samples, thumbnails, decisions, inputs, train, predictions, "
            "vectors, neighbours, index, retrieval, projection, clusters, exact, estimators, "
            "issues, quality)."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Leave what comes after this stage for a later run.")
    ] = None,
    first: Annotated[
        str | None,
        typer.Option(help="Bring all runs as far as this stage before what comes after it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make again what already stands.")] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Stages to make at a time, sharing the cores and the memory.",
        ),
    ] = 1,
    cache: CacheOption = None,
) -> None:
    """Make everything that recipes ask for, skipping what stands already.

    An interrupted run goes on where it broke off when the same command is given again.

    Examples:

        python -m pipelines run digits transients

        python -m pipelines run folder --set dataset.root=~/photos --set name=photos

        python -m pipelines run transients --set runs.h2.epochs=10 --only train
    """
    _use_cache(cache)
    with _told():
        loaded = {recipe: load_recipe(recipe, tuple(sets or ())) for recipe in recipes}
        # What follows pulls in the stages; a mistake in a recipe is told without that wait.
        from pipelines.progress import Bars
        from pipelines.runner import Order, run_recipes

        orders = [
            Order(document, _command(recipe, sets, cache), recipe)
            for recipe, document in loaded.items()
        ]
        with Bars(out, workspaces=len(orders) > 1) as bars:
            made = run_recipes(
                orders, bars, only=only, until=until, first=first, force=force, jobs=jobs
            )
        _print_results(made)


@app.command()
def check(recipe: RecipeArgument, sets: SetOption = None) -> None:
    """Look for mistakes in a recipe and in the place of its data. Runs nothing."""
    with _told():
        loaded = load_recipe(recipe, tuple(sets or ()))
        from pipelines.plan import plan

        steps = plan(loaded)
        out.print(
            f"The recipe '{loaded.name}' is in order: {len(loaded.runs)} "
            f"run{'s' if len(loaded.runs) > 1 else ''} on a dataset of kind "
            f"'{loaded.dataset.source}', {len(steps)} stages.",
            soft_wrap=True,
        )


@app.command(name="list")
def list_recipes() -> None:
    """List the recipes that come with Centauro."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("recipe", "data", "runs", "what it is"):
        table.add_column(heading)
    with _told():
        for name, path in shipped_recipes().items():
            about = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
            table.add_row(name, *_summary(name), about)
    out.print(table)


@app.command()
def status(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    cache: CacheOption = None,
) -> None:
    """Show the workspaces of the cache: their runs, accuracies, and what is stale or missing."""
    _use_cache(cache)
    with _told():
        from pipelines.status import describe

        found, broken = [], []
        for workspace in list_workspaces():
            try:
                found.append(describe(workspace))
            except CacheError as error:
                broken.append(str(error))
        if json:
            sys.stdout.write(orjson.dumps({"workspaces": found}).decode() + "\n")
        elif found:
            _print_status(found)
        elif not broken:
            out.print("The cache is empty. Make a first workspace: python -m pipelines run digits")
        # The others are shown all the same; the exit status says that one could not be read.
        for message in broken:
            err.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
        if broken:
            raise typer.Exit(1)


@app.command()
def clean(
    workspace: WorkspaceArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    cache: CacheOption = None,
) -> None:
    """Remove a workspace and everything computed for it from the cache."""
    _use_cache(cache)
    with _told():
        found = open_workspace(workspace)
        if not yes and not typer.confirm(f"Remove {found.folder} and all its runs?"):
            raise typer.Exit(1)
        with writing_lock(found.folder):
            shutil.rmtree(found.folder)
        out.print(f"Removed {found.folder}", soft_wrap=True)


@app.command()
def report(
    workspace: WorkspaceArgument,
    file: Annotated[
        Path | None,
        typer.Option("--out", help="File to write, instead of report.html of the workspace."),
    ] = None,
    cache: CacheOption = None,
) -> None:
    """Write what a workspace holds as one HTML file, for people who do not have the dashboard.

    It opens from disk and without a network: figures, mistakes and provenance are in it.
    """
    _use_cache(cache)
    with _told():
        from pipelines.reporting import write

        found = open_workspace(workspace)
        with err.status(f"Writing the report of '{workspace}' …"):
            made = write(found, file)
        out.print(
            f"Wrote {made.path} ({made.bytes / 1e6:,.1f} MB). Open it in any browser.",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


@labels.command()
def export(
    workspace: WorkspaceArgument,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write to, instead of labels/ of the workspace."),
    ] = None,
    cache: CacheOption = None,
) -> None:
    """Write the labels that reviewers decided on, as CSV and Parquet.

    Images that reviewers disagree on are in the files too, as 'disputed' and with no decided label.
    """
    _use_cache(cache)
    with _told():
        from cache.reviews import open_reviews
        from pipelines.labels import export as write

        found = open_workspace(workspace)
        with open_reviews() as reviews:
            made = write(found, reviews, folder)
        _print_export(made)


def _print_export(made: Export) -> None:
    told = made.document
    counts = [f"{count:,} {kind}" for kind, count in told["verdicts"].items() if count]
    out.print(
        f"Wrote {told['rows']:,} reviewed images to {made.csv} and .parquet: {', '.join(counts)}.",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    if told["verdicts"]["disputed"]:
        out.print("The disputed ones have no decided label until their reviewers agree.")
    for reason, count in told["left_out"].items():
        out.print(f"Left out: {count:,} ({reason}).")
    out.print(f"SHA-256 of the CSV: {told['sha256']}", soft_wrap=True, highlight=False)


def _use_cache(folder: Path | None) -> None:
    if folder is not None:
        os.environ["CENTAURO_CACHE"] = str(folder.expanduser().resolve())


def _command(recipe: str, sets: list[str] | None, cache: Path | None) -> str:
    words = ["python", "-m", "pipelines", "run", recipe]
    for text in sets or ():
        words += ["--set", text]
    if cache is not None:
        words += ["--cache", str(cache)]
    return shlex.join(words)


def _summary(name: str) -> tuple[str, str]:
    """Kind of data and names of the runs of a recipe that comes with Centauro."""
    needed = {"folder": "root", "chest_xray": "root"}
    sets = (f"dataset.{needed[name]}=.",) if name in needed else ()
    recipe: Recipe = load_recipe(name, sets)
    return recipe.dataset.source, ", ".join(recipe.runs)


def _print_results(made: list[Workspace]) -> None:
    from pipelines.status import describe

    try:
        _print_status([describe(workspace) for workspace in made])
    except CacheError:
        return
    names = ", ".join(f"'{workspace.name}'" for workspace in made)
    out.print(
        "Look at it: streamlit run dashboard/app.py   "
        f"(workspace{'s' if len(made) > 1 else ''} {names})"
    )


def _print_status(found: list[dict[str, Any]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading, justify in (
        ("workspace", "left"),
        ("run", "left"),
        ("test accuracy (95 %)", "left"),
        ("parameters", "right"),
        ("seconds", "right"),
        ("state", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for workspace in found:
        simulated = " (simulated)" if workspace["simulated"] else ""
        for entry in workspace["runs"]:
            table.add_row(
                workspace["name"] + simulated,
                entry["name"],
                _accuracy(entry["metrics"].get("test")),
                "" if entry["params"] is None else f"{entry['params']:,}",
                "" if entry["seconds"] is None else f"{entry['seconds']:.1f}",
                _undone(entry) or "done",
            )
    out.print(table)


def _undone(entry: dict[str, Any]) -> str:
    """What of a run is not done: its own stages by name, those of its parts by number."""
    own = [
        f"{name} {stage['state']}"
        for name, stage in entry["stages"].items()
        if stage["state"] != "done"
    ]
    told = [", ".join(own)] if own else []
    maps = entry["occlusion"].get("kinds", {})
    parts = [each.items() for each in (entry["embeddings"], maps, entry["issues"])]
    for name, part in chain.from_iterable(parts):
        counts = Counter(stage["state"] for stage in part["stages"].values())
        undone = [f"{count} {state}" for state, count in counts.items() if state != "done"]
        if undone:
            told.append(f"{name}: {', '.join(undone)}")
    return "; ".join(told)


def _accuracy(metrics: dict[str, Any] | None) -> str:
    if metrics is None:
        return ""
    rate = metrics["accuracy"]
    low, high = rate["low"] * 100, rate["high"] * 100
    return f"{rate['value']:.1%} of {rate['n']:,} ({low:.1f} to {high:.1f})"
