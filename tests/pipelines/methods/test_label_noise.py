from __future__ import annotations

import numpy as np

from pipelines.methods.label_noise import flip


def test_exactly_the_share_is_flipped_each_to_any_other_class() -> None:
    labels = np.repeat(np.arange(4), 300)
    among = np.arange(0, 1200, 2)
    noisy = flip(labels, among, 0.5, 4, seed=3)
    changed = np.flatnonzero(noisy != labels)
    assert len(changed) == 300
    assert set(changed) <= set(among.tolist())
    steps = np.bincount((noisy - labels)[changed] % 4, minlength=4)
    assert steps[0] == 0 and steps[1:].min() > 70


def test_chance_hangs_on_the_seed_alone() -> None:
    labels = np.arange(40) % 2
    among = np.arange(40)
    first = flip(labels, among, 0.2, 2, seed=0)
    assert (first == flip(labels, among, 0.2, 2, seed=0)).all()
    assert (first != flip(labels, among, 0.2, 2, seed=1)).any()
    assert (labels == np.arange(40) % 2).all()


def test_a_share_too_small_for_one_label_flips_none() -> None:
    labels = np.arange(10) % 2
    assert (flip(labels, np.arange(10), 0.04, 2, seed=0) == labels).all()
