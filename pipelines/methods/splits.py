"""Train, validation and test: making the splits that the data does not bring, finding leaks.

Samples that share a group (patient, night, document) or that have identical pixels are one
*unit*: a made split takes a unit whole or not at all, so that nothing seen in training is met
again in validation or test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from pipelines.errors import SourceError

SPLITS = ("train", "val", "test")

Column = Sequence[str | None] | np.ndarray
_SHOWN = 10


def make_splits(
    labels: Column,
    given: Column,
    groups: Column | None,
    content_hashes: Column | None,
    fractions: Mapping[str, float],
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Completes the splits of a dataset.

    A split that came with the data stays as it is, except that a missing ``val`` or ``test`` is
    taken out of ``train``. Samples that came without a split go to ``train`` or to the splits that
    are missing. Of each class every made split gets its fraction, to the sample where units are
    single samples and as near as units allow otherwise, and never less than one unit.

    Args:
        labels: Class of each sample.
        given: ``train``, ``val``, ``test``, or None for a sample that came without.
        groups: Name of the group of each sample, None for a sample of its own; or None.
        content_hashes: Equal for identical pixels; or None.
        fractions: Shares for ``val`` and ``test`` of the samples that are divided; 0 makes none.
        seed: Same seed, same samples in the same order: same splits.

    Returns:
        The split of each sample (str), and a mask of the samples whose split was made here.

    Raises:
        SourceError: A split has another name, nothing is left to train on, a class has fewer
            units than there are splits to put it in, or is in val or test but not in train.
    """
    names = np.asarray(labels, dtype=object)
    split = _given(given)
    came = set(split[split != ""])
    donors = (split == "") | (split == "train")
    if not donors.any():
        listed = ", ".join(sorted(came)) or "no samples"
        raise SourceError(
            f"There is nothing to train on. Received: {listed} only. "
            "Add a train split, or leave the splits out to have them made."
        )
    missing = [name for name in ("val", "test") if name not in came and fractions[name] > 0]
    result, made = split.copy(), split == ""
    result[donors] = "train"
    if missing:
        places = np.flatnonzero(donors)
        units = units_of((groups, content_hashes), places)
        wanted = ["train", *missing]
        shares = np.array([fractions[name] for name in missing])
        chosen = _divide(names[places], units, wanted, shares, np.random.default_rng(seed))
        result[places] = np.array(wanted, dtype=object)[chosen]
        made |= result != np.where(split == "", "train", split)
    _check_learnable(names, result)
    return result.astype(str), made


def leaked(splits: Column, groups: Column | None, content_hashes: Column | None) -> np.ndarray:
    """Finds the validation and test samples that a model may know from training.

    Args:
        splits: ``train``, ``val`` or ``test`` for each sample.
        groups: Name of the group of each sample, None for a sample of its own; or None.
        content_hashes: Equal for identical pixels; or None.

    Returns:
        Mask of the samples outside ``train`` whose group or pixels also stand in ``train``.
    """
    split = np.asarray(splits, dtype=object)
    train = split == "train"
    known = np.zeros(len(split), bool)
    for column in (groups, content_hashes):
        if column is not None:
            values = pd.Series(np.asarray(column, dtype=object))
            known |= (values.notna() & values.isin(values[train].dropna())).to_numpy()
    mask: np.ndarray = known & ~train
    return mask


def units_of(columns: Sequence[Column | None], places: np.ndarray) -> np.ndarray:
    """Number of the unit of each sample: what equal values join, directly or in a chain.

    Args:
        columns: Groups, content hashes or whatever else joins samples; None in a column joins
            nothing, a column that is None is left out.
        places: Positions (m,) of the samples in those columns.

    Returns:
        int (m,), from 0 without gaps.
    """
    count = nodes = len(places)
    left, right = [], []
    for column in columns:
        if column is None:
            continue
        codes, values = pd.factorize(np.asarray(column, dtype=object)[places])
        named = np.flatnonzero(codes >= 0)
        left.append(named)
        right.append(codes[named] + nodes)
        nodes += len(values)
    if not left:
        return np.arange(count)
    ends = (np.concatenate(left), np.concatenate(right))
    edges = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(nodes, nodes))
    joined = connected_components(edges, directed=False)[1][:count]
    units: np.ndarray = np.unique(joined, return_inverse=True)[1]
    return units


def _given(given: Column) -> np.ndarray:
    """The splits that came, "" where none did."""
    values = pd.Series(np.asarray(given, dtype=object))
    split = values.where(values.notna(), "").to_numpy(dtype=object)
    strange = sorted({str(name) for name in split if name not in ("", *SPLITS)})
    if strange:
        raise SourceError(
            f"A split must be one of {', '.join(SPLITS)}. Received: {strange[:_SHOWN]}. "
            "Rename these splits in the data."
        )
    return split


def _check_learnable(labels: np.ndarray, split: np.ndarray) -> None:
    """Refuses classes that are asked for in val or test and never shown in train."""
    known = set(labels[split == "train"])
    unseen = Counter(name for name in labels if name not in known)
    if unseen:
        listed = ", ".join(f"'{name}' ({count} samples)" for name, count in sorted(unseen.items()))
        raise SourceError(
            f"Classes have no sample in train, so no model can learn them. Received: {listed}. "
            "Add images of them to train, or keep other classes (dataset.classes)."
        )


def _divide(
    labels: np.ndarray,
    units: np.ndarray,
    splits: list[str],
    shares: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Position in ``splits`` of each sample; ``shares`` are those of all splits but the first."""
    codes, classes = pd.factorize(labels, sort=True)
    # content[u, c]: samples of class c in unit u.
    content = coo_array((np.ones(len(codes), int), (units, codes))).tocsr()
    content.sum_duplicates()
    sizes = content.sum(axis=1)
    by_size = np.lexsort((rng.permutation(len(sizes)), sizes))
    holders = _holders(content, by_size)
    samples = np.bincount(codes)
    _check_sizes(classes, samples, np.array([len(some) for some in holders]), splits)
    # need[s, c]: samples of class c that split s still has to get.
    need = _targets(samples, shares, rng)
    place = np.full(len(sizes), -1)
    _cover(place, need, content, holders, classes, splits)
    # Big units first: the small ones then even out what they left.
    for unit in by_size[::-1][sizes[by_size[::-1]] > 1]:
        if place[unit] < 0:
            kinds, counts = _row(content, unit)
            place[unit] = _choose(need[:, kinds], counts, rng)
            need[place[unit], kinds] -= counts
    for kind, some in enumerate(holders):
        rest = some[place[some] < 0]
        drawn = np.repeat(np.arange(len(splits)), _apportion(need[:, kind], len(rest), rng))
        place[rest] = rng.permutation(drawn)
    chosen: np.ndarray = place[units]
    return chosen


def _row(content: csr_array, unit: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes in a unit, and how many samples of each."""
    rows = slice(content.indptr[unit], content.indptr[unit + 1])
    return content.indices[rows], content.data[rows]


def _holders(content: csr_array, by_size: np.ndarray) -> list[np.ndarray]:
    """For each class the units that hold it, smallest first."""
    columns = content[by_size].tocsc()
    columns.sort_indices()
    return [by_size[some] for some in np.split(columns.indices, columns.indptr[1:-1])]


def _check_sizes(
    classes: np.ndarray, samples: np.ndarray, units: np.ndarray, splits: list[str]
) -> None:
    small = [
        f"'{name}' ({count} samples{f', {alone} of them independent' if alone < count else ''})"
        for name, count, alone in zip(classes, samples, units, strict=True)
        if alone < len(splits)
    ]
    if small:
        more = f" and {len(small) - _SHOWN} more" if len(small) > _SHOWN else ""
        raise _too_small(", ".join(small[:_SHOWN]) + more, splits)


def _too_small(what: str, splits: list[str]) -> SourceError:
    return SourceError(
        f"Classes are too small to be divided into {', '.join(splits)}: each needs at least "
        f"{len(splits)} samples that share no group and no identical pixels. Received: {what}. "
        "Add images, keep other classes (dataset.classes), or make fewer splits (0 in "
        "dataset.splits)."
    )


def _targets(samples: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Samples that each split should get of each class: (splits, classes), columns sum to all.

    The rounding of one class is made up for by another, so that whole splits keep their share.
    """
    rows = []
    free = samples - len(shares) - 1
    for share in shares:
        exact = samples * share
        row = np.maximum(_apportion(exact, round(float(exact.sum())), rng), 1)
        row = np.minimum(row, free + 1)
        free = free - (row - 1)
        rows.append(row)
    return np.stack([samples - np.sum(rows, axis=0), *rows])


def _apportion(weights: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """Whole numbers in proportion to the weights that sum to ``total`` (largest remainders)."""
    if total <= 0:
        return np.zeros(len(weights), int)
    positive = np.maximum(weights, 0).astype(float)
    exact = positive * (total / positive.sum())
    whole: np.ndarray = np.floor(exact + 1e-9).astype(int)
    order = np.lexsort((rng.permutation(len(exact)), -(exact - whole).round(9)))
    whole[order[: total - whole.sum()]] += 1
    return whole


def _cover(
    place: np.ndarray,
    need: np.ndarray,
    content: csr_array,
    holders: list[np.ndarray],
    classes: np.ndarray,
    splits: list[str],
) -> None:
    """Gives every split one unit of every class, rarest class first."""
    covered = np.zeros(need.shape, bool)
    for kind in sorted(range(len(classes)), key=lambda kind: len(holders[kind])):
        waiting = (unit for unit in holders[kind] if place[unit] < 0)
        for target in np.flatnonzero(~covered[:, kind])[::-1]:
            unit = next(waiting, None)
            if unit is None:
                raise _too_small(f"'{classes[kind]}', whose groups also hold other classes", splits)
            kinds, counts = _row(content, unit)
            place[unit] = target
            need[target, kinds] -= counts
            covered[target, kinds] = True


def _choose(need: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> int:
    """The split for a unit: by chance, in proportion to need, among those it suits best."""
    excess = (np.abs(need - counts) - np.abs(need)).sum(axis=1)
    best = np.flatnonzero(excess == excess.min())
    weights = np.maximum(need[best].sum(axis=1), 0) + 1e-9
    return int(rng.choice(best, p=weights / weights.sum()))
