"""Label issues: samples whose label neither a model that never saw them nor their neighbours share.

Source of confident learning: C. Northcutt, L. Jiang, I. Chuang, "Confident learning: estimating
uncertainty in dataset labels", Journal of Artificial Intelligence Research 70 (2021), 1373-1411,
as cleanlab has it. The threshold rule is that of the AJNA study (V9).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pipelines.methods import number

MAJORITY = 0.5
"""Neighbours are a reason for suspicion where more than this share of them bear other labels."""

SURE = 0.90
UNSURE = 0.30
"""Ends of the threshold rule, as published."""

NONE, CONFIDENT, NEIGHBOURS, BOTH = "none", "confident_learning", "neighbours", "both"
"""Why a label is suspected."""

WORDS = {
    CONFIDENT: "a model that never saw the image is surer of another class",
    NEIGHBOURS: "most of the nearest images bear another label",
    BOTH: "a model that never saw the image and its nearest images say another class",
}
"""The same for people."""


def head_probabilities(
    vectors: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    classes: int,
    progress: Callable[[float, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Probabilities of every sample by a linear head that was fitted on the other folds.

    The head is a multinomial logistic regression (L2, C = 1) on vectors that are standardised by
    the folds it is fitted on.

    Args:
        vectors: float32 (n, d), made without any label.
        labels: Codes (n,).
        folds: The fold (n,) of each sample, from 0.
        classes: How many classes there are.
        progress: Told how many folds are done, and of how many.

    Returns:
        float32 (n, classes), rows summing to one; 0 for a class that no other fold holds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    probabilities = np.zeros((len(labels), classes), np.float32)
    total = int(folds.max()) + 1
    # The products are so small that the threads of a matrix library mostly wait for each other:
    # one takes a third to an eighth of their time.
    with threadpool_limits(1, user_api="blas"):
        for fold in range(total):
            held = np.flatnonzero(folds == fold)
            known = np.flatnonzero(folds != fold)
            head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            head.fit(vectors[known], labels[known])
            probabilities[np.ix_(held, head.classes_)] = head.predict_proba(vectors[held])
            progress(fold + 1, total)
    return probabilities


def confident_learning(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Mask (n,) of the samples that confident learning would prune (by noise rate).

    Args:
        labels: Codes (n,).
        probabilities: (n, k) out of fold.
    """
    from cleanlab.filter import find_label_issues

    # float32 rows sum to one only nearly.
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    mask: np.ndarray = find_label_issues(labels.astype(np.int64), exact, n_jobs=1)
    return mask


def threshold_rule(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Mask (n,) of the samples that the rule of the AJNA study (V9) would drop.

    Among mistakes alone, those with p >= .90 or p <= .30, where p is the probability of the second
    of two classes. There is no published rule for more than two; here each class is then set
    against the rest in turn, and a mistake is dropped if the rule holds for the class predicted
    (p >= .90) or for that of the label (p <= .30).

    Args:
        labels: Codes (n,).
        probabilities: (n, k). The study took those of the model that was trained on the samples.
    """
    predicted = probabilities.argmax(axis=1)
    rows = np.arange(len(labels))
    if probabilities.shape[1] == 2:
        high = low = probabilities[:, 1]
    else:
        high, low = probabilities[rows, predicted], probabilities[rows, labels]
    mask: np.ndarray = (predicted != labels) & ((high >= SURE) | (low <= UNSURE))
    return mask


def rule_sentence(judged: pd.DataFrame) -> str:
    """How many labels the threshold rule flags, beside those that are suspected.

    Args:
        judged: Labels with the columns ``threshold_rule`` and ``why`` of :func:`judge`.
    """
    flagged = judged["threshold_rule"].to_numpy()
    n, same = int(flagged.sum()), int((flagged & (judged["why"] != NONE).to_numpy()).sum())
    return (
        f"For comparison: the threshold rule of the AJNA study (p at least {SURE:.2f} or at most "
        f"{UNSURE:.2f}, among answers that differ from the label) flags {n:,} of "
        f"{number.plural(len(judged), 'label')}; {same:,} of them "
        f"{'is' if same == 1 else 'are'} suspected here."
    )


def neighbour_shares(labels: np.ndarray, positions: np.ndarray, classes: int) -> np.ndarray:
    """Share of each sample's neighbours that bear each label.

    Args:
        labels: Codes (n,).
        positions: int (n, k), its neighbours, never itself; -1 for none.
        classes: How many classes there are.

    Returns:
        float32 (n, classes), rows summing to one; 0 where there are no neighbours.
    """
    there = positions >= 0
    rows = np.broadcast_to(np.arange(len(positions))[:, None], positions.shape)
    cells = rows[there] * classes + labels[positions[there]]
    counts = np.bincount(cells, minlength=len(positions) * classes).reshape(-1, classes)
    shares: np.ndarray = counts / np.maximum(there.sum(axis=1, keepdims=True), 1)
    return shares.astype(np.float32)


def judge(labels: np.ndarray, probabilities: np.ndarray, shares: np.ndarray) -> pd.DataFrame:
    """Join what a model out of fold and what the neighbours say of each label.

    The suspicion is the mean of two probabilities that the label is wrong: one minus the model's
    probability of it (one minus cleanlab's self-confidence), and the share of the neighbours that
    bear another label. Each is blind where the other sees: a model out of fold is often unsure of
    rare but right images, neighbours of images at a border. Chosen among rankings in
    ``docs/labels.md``.

    Args:
        labels: Codes (n,).
        probabilities: (n, k) out of fold.
        shares: (n, k), as :func:`neighbour_shares` gives them.

    Returns:
        One row a sample, in their order: ``suggested`` (code of the other class that both, on
        average, hold most likely), ``predicted`` (code of the model's), ``suspicion`` in [0, 1],
        ``self_confidence``, ``confidence``, ``p_suggested`` (probabilities of the label, of the
        class predicted and of that suggested), ``neighbour_disagreement``,
        ``neighbours_suggested`` (shares of neighbours), ``confident_learning``,
        ``threshold_rule`` (masks), ``why`` and ``rank`` (from 1, the most suspicious).
    """
    rows = np.arange(len(labels))
    self_confidence = probabilities[rows, labels]
    disagreement = 1 - shares[rows, labels]
    support = (probabilities + shares) / 2
    support[rows, labels] = -1
    suggested = support.argmax(axis=1)
    suspicion = (1 - self_confidence + disagreement) / 2
    confident = confident_learning(labels, probabilities)
    order = np.lexsort((self_confidence, -suspicion))
    rank = np.empty(len(labels), np.int32)
    rank[order] = np.arange(1, len(labels) + 1)
    return pd.DataFrame(
        {
            "suggested": suggested,
            "predicted": probabilities.argmax(axis=1),
            "suspicion": suspicion,
            "self_confidence": self_confidence,
            "confidence": probabilities.max(axis=1),
            "p_suggested": probabilities[rows, suggested],
            "neighbour_disagreement": disagreement,
            "neighbours_suggested": shares[rows, suggested],
            "confident_learning": confident,
            "threshold_rule": threshold_rule(labels, probabilities),
            "why": reasons(confident, disagreement > MAJORITY),
            "rank": rank,
        }
    )


def reasons(confident: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """What speaks against each label, of :data:`NONE` and those after it.

    Args:
        confident: Mask (n,) of what confident learning would prune.
        neighbours: Mask (n,) of those that most neighbours disagree with.
    """
    words = np.array([NONE, CONFIDENT, NEIGHBOURS, BOTH], dtype=object)
    chosen: np.ndarray = words[confident.astype(int) + 2 * neighbours.astype(int)]
    return chosen
