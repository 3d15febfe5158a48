from __future__ import annotations

import numpy as np
import pytest

from pipelines.methods.encoders import compiled
from pipelines.methods.occlusion import study
from pipelines.methods.occlusion.engine import open_engine
from pipelines.methods.occlusion.patches import of_class
from tests.pipelines.methods.occlusion.networks import constant, hits_cnn, images_of


def test_a_constant_classifier_gives_a_constant_map_and_the_study_an_artefact() -> None:
    engine = open_engine(constant((21, 21, 1), (0.3, 0.7)))
    images = np.random.default_rng(0).random((2, 21, 21, 1)).astype(np.float32)
    maps = engine.maps(images, np.zeros_like(images))
    np.testing.assert_allclose(maps, np.broadcast_to([0.3, 0.7], maps.shape), atol=1e-6)
    found = study.scores(engine, images, np.zeros_like(images), np.array([1, 1]))
    assert found.shape == (2, 19, 19) and found[0].size == 361
    merged = study.merged(found, 3)
    assert merged.mean() == pytest.approx(0.581, abs=5e-4)
    assert merged.std() == pytest.approx(0.356, abs=1e-3)
    assert merged.var() == pytest.approx(0.126, abs=1e-3)
    fair = study.corrected(found, 3)
    np.testing.assert_allclose(fair, 0.7, atol=1e-6)
    assert (study.standardised(fair) == 0.5).all()


def test_corners_are_covered_once_edges_thrice_and_the_middle_nine_times() -> None:
    covered = study.coverage(19, 19, 3)
    assert covered.shape == (21, 21)
    assert (covered[0, 0], covered[0, 10], covered[10, 10]) == (1, 3, 9)
    assert (covered < 9).mean() == pytest.approx(0.34, abs=0.01)
    assert study.coverage(25, 25, 3).shape == (27, 27)


def test_the_study_map_is_that_of_its_loop() -> None:
    model = hits_cnn()
    engine = open_engine(model)
    images, _ = images_of(model, 1, 5)
    forward = compiled(model)
    predicted = int(forward(images)[0].argmax())
    summed = np.zeros((21, 21))
    times = np.zeros((21, 21))
    for row in range(19):
        for column in range(19):
            copy = images.copy()
            copy[0, row : row + 3, column : column + 3] = 0
            score = float(forward(copy)[0, predicted])
            summed[row : row + 3, column : column + 3] += score
            times[row : row + 3, column : column + 3] += 1
    scaled = np.clip((summed - summed.mean()) / summed.std(), -1, 1)
    found = study.scores(engine, images, np.zeros_like(images), np.array([predicted]))
    np.testing.assert_allclose(study.merged(found, 3)[0], (scaled + 1) / 2, atol=1e-5)
    np.testing.assert_allclose(study.corrected(found, 3)[0], summed / times, atol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_the_study_map_can_be_had_from_the_exact_map(size: int) -> None:
    model = hits_cnn()
    engine = open_engine(model, size=size)
    images, _ = images_of(model, 2, 5)
    black, classes = np.zeros_like(images), np.array([1, 0])
    maps = of_class(engine.maps(images, black), classes)
    asked = study.merged(study.scores(engine, images, black, classes), size)
    np.testing.assert_allclose(study.of_maps(maps, size, 1), asked, atol=1e-4)


def test_where_positions_are_no_pixels_the_map_itself_is_standardised() -> None:
    maps = np.random.default_rng(0).random((2, 5, 6)).astype(np.float32)
    for size, stride in ((3, 2), (6, 1)):
        np.testing.assert_array_equal(study.of_maps(maps, size, stride), study.standardised(maps))
    level = study.of_maps(np.full((1, 5, 6), 0.3), 3, 2)
    assert (level == 0.5).all()


def test_over_the_padded_image_every_pixel_is_covered_alike() -> None:
    model = hits_cnn()
    image = images_of(model, 1, 5)[0][0]
    forward = compiled(model)
    found = study.padded_scores(forward, image, np.zeros_like(image), 1, 3)
    assert found.shape == (1, 25, 25)
    clean = float(forward(image[None])[0, 1])
    assert found[0, [0, 0, 24], [0, 24, 24]] == pytest.approx([clean] * 3)
    # The 361 positions inside the image are among the 625.
    engine = open_engine(model)
    inside = study.scores(engine, image[None], np.zeros((1, *image.shape)), np.array([1]))
    np.testing.assert_allclose(found[:, 3:22, 3:22], inside, atol=1e-5)
    corner = image.copy()
    corner[:1, :1] = 0
    assert found[0, 1, 1] == pytest.approx(float(forward(corner[None])[0, 1]), abs=1e-6)
    assert study.padded_merged(found, 3).shape == (1, 21, 21)
    fair = study.padded_scores(
        lambda images: np.full((len(images), 2), 0.7), image, np.zeros_like(image), 1, 3
    )
    assert study.coverage(25, 25, 3)[3:24, 3:24].tolist() == [[9] * 21] * 21
    assert np.ptp(study.padded_merged(fair, 3)) == 0


def test_an_even_patch_lies_inside_too() -> None:
    engine = open_engine(constant((8, 9, 1), (0.5, 0.5)), size=4)
    rows, columns = study.inside(engine)
    assert rows.tolist() == [2, 3, 4, 5, 6] and columns.tolist() == [2, 3, 4, 5, 6, 7]
    boxes = engine.patches.boxes.reshape(8, 9, 4)[np.ix_(rows, columns)]
    assert ((boxes[..., 2] - boxes[..., 0]) == 4).all()
    assert ((boxes[..., 3] - boxes[..., 1]) == 4).all()


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (9, 1)])
def test_a_patch_that_does_not_move_by_pixels_inside_is_refused(size: int, stride: int) -> None:
    engine = open_engine(constant((8, 9, 1), (0.5, 0.5)), size=size, stride=stride)
    with pytest.raises(ValueError, match=f"Received: size={size}, stride={stride} for 8x9"):
        study.inside(engine)
