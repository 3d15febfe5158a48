"""What the report says of where everything comes from."""

from __future__ import annotations

import yaml

from cache import StageState
from cache.artefact import Artefact
from cache.errors import CacheError
from cache.store import artefact_key
from pipelines.methods import number
from pipelines.reporting.markup import Child, Html, details, facts, note, section, table, tag
from pipelines.reporting.reading import Source

TITLE = "Provenance"
ANCHOR = "provenance"

_DIGITS = 12


def tell(source: Source, written: str) -> Html:
    """The section.

    Args:
        source: The workspace.
        written: When the report was written.
    """
    document = source.workspace.document
    recipe = yaml.safe_dump(document["recipe"], sort_keys=False, allow_unicode=True)
    return section(
        TITLE,
        facts(
            [
                ("report written", written),
                ("workspace made", document["created"]),
                ("last run", document["updated"]),
                *_machine(source),
            ]
        ),
        tag("p", "Everything here was made by:"),
        tag("pre", tag("code", document["command"])),
        _stages(source),
        _versions(source),
        details("The recipe, as resolved", tag("pre", tag("code", recipe))),
        anchor=ANCHOR,
    )


def undone(source: Source) -> list[Html]:
    """What of the workspace is missing or made from something else, if anything."""
    there = [state for state in source.states if state.state != "done"]
    if not there:
        return []
    counts: dict[str, list[str]] = {}
    for state in there:
        counts.setdefault(state.state, []).append(_key(state))
    listed = "; ".join(
        f"{state}: {', '.join(keys[:5])}" + f" and {len(keys) - 5} more" * (len(keys) > 5)
        for state, keys in counts.items()
    )
    said = f"{listed}. Run this, and write the report again:"
    title = f"{number.plural(len(there), 'artefact')} missing, or not as the recipe asks now."
    return [note(title, said, source.workspace.command)]


def _key(state: StageState) -> str:
    return artefact_key(state.run, state.stage, state.part)


def _artefact(source: Source, state: StageState) -> Artefact:
    return source.workspace.artefact(state.stage, state.run, state.part)


def _machine(source: Source) -> list[tuple[str, Child]]:
    """The machine of the first training that tells of it; timings of others may be of others."""
    for run in source.workspace.runs():
        try:
            machine = run.document["environment"]
        except (CacheError, KeyError):
            continue
        what = f"{machine['processor']}, {number.plural(machine['cores'], 'core')}"
        return [(f"machine of {run.name}", f"{what}, {number.size(machine['memory_bytes'])}")]
    return []


def _stages(source: Source) -> Html:
    rows: list[list[Child]] = []
    for state in source.states:
        made, digits = number.UNKNOWN, number.UNKNOWN
        try:
            manifest = _artefact(source, state).manifest
            made, digits = manifest.created, manifest.fingerprint[:_DIGITS]
        except CacheError:
            pass
        rows.append(
            [
                _key(state),
                state.state,
                made,
                tag("code", digits),
                number.seconds(state.seconds),
                number.UNKNOWN if state.rows is None else number.count(state.rows),
            ]
        )
    columns = ["artefact", "state", "made", "fingerprint", "took", "rows"]
    made = table("Artefacts, and what they were made from", columns, rows, texts=(0, 1, 2, 3))
    return details(f"{number.plural(len(rows), 'artefact')} with fingerprints and times", made)


def _versions(source: Source) -> Html | None:
    """Versions of libraries: several where the workspace was made with several."""
    found: dict[str, set[str]] = {}
    for state in source.states:
        try:
            versions = _artefact(source, state).manifest.versions
        except CacheError:
            continue
        for library, version in versions.items():
            found.setdefault(library, set()).add(version)
    rows = [[library, ", ".join(sorted(versions))] for library, versions in found.items()]
    if not rows:
        return None
    return details("Versions", table("Versions", ["library", "version"], rows, texts=(0, 1)))
