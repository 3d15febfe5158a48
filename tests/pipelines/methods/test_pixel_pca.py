"""Pixels as an embedding: from train alone, no more components than there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.methods import pixel_pca

RNG = np.random.default_rng(0)


def images(count: int, shape: tuple[int, int, int] = (6, 5, 2)) -> np.ndarray:
    return RNG.random((count, *shape)).astype(np.float32)


def fit(there: np.ndarray, train: np.ndarray, dim: int) -> pixel_pca.PixelPCA:
    return pixel_pca.fit(lambda rows: there[rows], there.shape[1:], train, dim)


def test_all_components_keep_the_distances_of_standardised_pixels() -> None:
    there = images(100)
    fitted = fit(there, np.arange(100), 60)
    flat = there.reshape(100, -1)
    standard = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    wanted = np.linalg.norm(standard[:50] - standard[50:], axis=1)
    vectors = fitted(there)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors[:50] - vectors[50:], axis=1) == pytest.approx(wanted, rel=1e-4)
    assert fitted.explained == pytest.approx(1, abs=1e-4)


def test_only_train_counts() -> None:
    there = images(80)
    train = np.arange(40)
    before = fit(there, train, 10)
    there[40:] = 1 - there[40:] ** 3
    after = fit(there, train, 10)
    assert (before.components == after.components).all()
    assert (before.mean == after.mean).all()


def test_no_more_components_than_there_are() -> None:
    there = images(50)
    there[:, 3:] = 0.25  # 30 of the 60 values never change
    assert len(fit(there, np.arange(50), 40).components) == 30
    few = fit(there, np.arange(7), 40)
    assert len(few.components) == 6
    assert np.isfinite(few(there)).all()
    there[:] = 0.5
    assert fit(there, np.arange(50), 40)(there) == pytest.approx(np.zeros((50, 1)))


def test_large_images_are_averaged_down() -> None:
    there = images(3, (64, 96, 1))
    small = pixel_pca.shrunk(there).reshape(3, 32, 1, 32)[:, :, 0]
    wanted = there[..., 0].reshape(3, 32, 2, 32, 3).mean(axis=(2, 4))
    assert small == pytest.approx(wanted, abs=1e-6)
    assert pixel_pca.shrunk(np.full((2, 45, 33, 3), 0.3, np.float32)) == pytest.approx(
        0.3, abs=1e-6
    )


def test_rows_keep_channels_apart() -> None:
    there = images(4, (40, 8, 3))
    rows = pixel_pca.shrunk(there).reshape(4, 32, 3, 8)
    assert rows.mean(axis=(1, 3)) == pytest.approx(there.mean(axis=(1, 2)), abs=1e-5)


def test_what_is_saved_embeds_the_same(tmp_path: Path) -> None:
    there = images(30)
    fitted = fit(there, np.arange(20), 5)
    fitted.save(tmp_path / "pca.npz")
    again = pixel_pca.load(tmp_path / "pca.npz")
    assert (again(there) == fitted(there)).all()
    assert (again.shape, again.fitted_on) == ((6, 5, 2), 20)
    assert again.explained == fitted.explained


def test_many_images_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_pca, "MOST_ROWS", 25)
    there = images(60)
    fitted = fit(there, np.arange(60), 4)
    assert fitted.fitted_on == 25
    assert (fitted.components == fit(there, np.arange(60), 4).components).all()
