"""What standing verdicts amount to: what is decided, where reviewers disagree, how far they are.

Everything here is computed from the tables of :class:`cache.reviews.Reviews`, without a database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from cache.reviews import UNDONE, VERDICTS

DISPUTED: Final = "disputed"
"""Verdict on an image that reviewers disagree on."""

PAUSE_SECONDS: Final = 180.0
"""Longest time between two verdicts of a reviewer that counts as work."""

DECISION: Final = ("sample_id", "given", "decided", "verdict", "reviewers", "note")
"""Columns of :func:`decided`."""


@dataclass(frozen=True)
class Progress:
    """How far the reviewers of a workspace are.

    Attributes:
        reviewed: Images with at least one standing verdict.
        verdicts: How many of them are decided as what, by verdict; ``disputed`` ones too.
        by_reviewer: How many images each reviewer has judged, by name.
    """

    reviewed: int
    verdicts: dict[str, int]
    by_reviewer: dict[str, int]


def judgements(latest: pd.DataFrame) -> pd.Series:
    """What each standing verdict comes to: ``label cat``, ``undecidable`` or ``bad``.

    Two verdicts on an image agree where this is the same: that the given label is right, and that
    this label should replace another one, are the same judgement on the image.

    Args:
        latest: Standing verdicts, as ``Reviews.latest`` gives them.

    Returns:
        Text, with the index of ``latest``.
    """
    label = _labels(latest)
    return ("label " + label).where(label.notna(), latest["verdict"])


def decided(latest: pd.DataFrame) -> pd.DataFrame:
    """What is decided on each image that was reviewed.

    Args:
        latest: Standing verdicts, as ``Reviews.latest`` gives them.

    Returns:
        One row an image, by ``sample_id``. ``given`` is the label that the last reviewer saw.
        ``decided`` is the label that the image should have: the given one where that is right,
        missing where it is undecidable, bad, or disputed. ``verdict`` is a key of ``VERDICTS``,
        or ``disputed`` where reviewers disagree: then nothing is decided. ``reviewers`` are their
        names, by name, and ``note`` what they noted, with their names where they are several.
    """
    if latest.empty:
        return pd.DataFrame({name: pd.Series(dtype="str") for name in DECISION})
    ordered = latest.assign(judgement=judgements(latest), label=_labels(latest)).sort_values("id")
    last = ordered.groupby("sample_id").tail(1).set_index("sample_id").sort_index()
    agreed = ordered.groupby("sample_id")["judgement"].nunique() == 1
    label = last["label"].where(agreed)
    verdict = last["verdict"].where(label != last["given"], "right")
    # A label that is right for who saw it as the given one replaces another for who did not.
    verdict = verdict.where(label.isna() | (label == last["given"]), "wrong")
    table = last[["given"]].assign(decided=label, verdict=verdict.where(agreed, DISPUTED))
    return table.join(_words(ordered)).reset_index()[list(DECISION)].astype("str")


def progress(latest: pd.DataFrame) -> Progress:
    """Count what is reviewed.

    Args:
        latest: Standing verdicts, as ``Reviews.latest`` gives them.
    """
    counts = decided(latest)["verdict"].value_counts()
    names = latest["reviewer"].value_counts()
    return Progress(
        reviewed=int(counts.sum()),
        verdicts={name: int(counts.get(name, 0)) for name in (*VERDICTS, DISPUTED)},
        by_reviewer={str(name): int(names[name]) for name in sorted(names.index)},
    )


def pace(rows: pd.DataFrame, reviewer: str) -> float | None:
    """Median seconds that a reviewer takes for a verdict, to tell what remains.

    The time since the verdict before; of several that were given at once, each took its share.
    Pauses longer than ``PAUSE_SECONDS`` do not count, nor do steps back of the clock.

    Args:
        rows: Every row of a workspace, as ``Reviews.rows`` gives them.
        reviewer: A name as it is stored.

    Returns:
        Seconds, or None where no two verdicts followed one another.
    """
    mine = rows.loc[(rows["reviewer"] == reviewer) & (rows["verdict"] != UNDONE), "at"]
    together = (mine != mine.shift()).cumsum()
    times = mine.groupby(together).agg(["first", "size"])
    seconds = times["first"].diff().dt.total_seconds()
    worked = times.assign(each=seconds / times["size"])[seconds.between(0, PAUSE_SECONDS)]
    return None if worked.empty else float(worked["each"].repeat(worked["size"]).median())


def _labels(latest: pd.DataFrame) -> pd.Series:
    """The label that each verdict gives its image; missing where it gives none."""
    judged = latest["verdict"].isin(("right", "wrong"))
    return latest["decided"].where(latest["verdict"] == "wrong", latest["given"]).where(judged)


def _words(latest: pd.DataFrame) -> pd.DataFrame:
    """Names and notes of the reviewers of each image, by its ``sample_id``."""
    named = latest.sort_values("reviewer")
    several = named["sample_id"].duplicated(keep=False)
    told = named["note"].where(~several, named["reviewer"] + ": " + named["note"])
    names: dict[str, list[str]] = {}
    notes: dict[str, list[str]] = {}
    # A loop over plain lists: pandas would take seconds to join the texts of 10,000 groups.
    columns = (named[name].tolist() for name in ("sample_id", "reviewer", "note"))
    for sample_id, reviewer, note, text in zip(*columns, told.tolist(), strict=True):
        names.setdefault(sample_id, []).append(reviewer)
        notes.setdefault(sample_id, []).extend([text] if note else [])
    return pd.DataFrame(
        {
            "reviewers": {sample_id: ", ".join(each) for sample_id, each in names.items()},
            "note": {sample_id: "\n".join(each) for sample_id, each in notes.items()},
        }
    )
