"""Estimators of one kind of maps: trained, timed, and judged against the exact maps.

Learnt from maps of train, chosen by epoch on val, reported on test. Two baselines need no training:
the mean map of the predicted class, and every third position computed, the rest interpolated.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from cache.occlusion import drawing
from pipelines.methods import estimating
from pipelines.methods.batching import reader_of
from pipelines.methods.encoders import compiled
from pipelines.methods.feeding import Inputs, to_probabilities
from pipelines.methods.intervals import bootstrap
from pipelines.methods.occlusion import fidelity, risk, study, timing
from pipelines.methods.occlusion.curves import curves
from pipelines.methods.occlusion.engine import Way, open_engine
from pipelines.methods.occlusion.patches import filled, of_class

if TYPE_CHECKING:
    from pipelines.recipe import EstimatorRecipe

BASELINES = ("mean map", "every third position")
MEASURES = ("mse", "mae", "pearson", "spearman", "ssim", "iou10")

CEILING = "the study's map, exact"
"""What a network that draws the study's maps without any error would have; judged beside those."""

EXACT = "exact"
"""What the exact maps are called among the estimates, where both have a figure."""

SECOND = "second"
"""Folder of the second trainings, by which the first ones are verified."""

_WANTED = 0.5
"""The mean error that is wished for among trusted estimates, as a share of that of all on val."""

_FOLLOWED = 150
_FOLLOWED_VALUES = 6_000_000


class Judge:
    """The exact maps of some images, and what estimates them."""

    def __init__(
        self,
        load: Callable[[str | None], Any],
        inputs: Inputs,
        mapped: pd.DataFrame,
        maps: np.ndarray,
        exact: dict[str, Any],
    ) -> None:
        """Args:
        load: Opens the classifier of a run, anew for each training; of their own for None.
        inputs: Pixels of all samples.
        mapped: Which images have a map (m rows), as in ``cache.occlusion``.
        maps: float32 (m, rows, columns, classes).
        exact: What the stage of the exact maps wrote.
        """
        self.load, self.inputs, self.maps, self.exact = load, inputs, maps, exact
        self.split = mapped["split"].to_numpy(dtype=object)
        self.predicted = mapped["predicted"].cat.codes.to_numpy().astype(np.int32)
        self.classes = list(mapped["predicted"].cat.categories)
        self.sample_ids = mapped["sample_id"]
        positions = mapped["row"].to_numpy()
        read = reader_of(inputs)
        self.read: estimating.Read = lambda places: read(positions[places])
        self.truth = of_class(maps, self.predicted)
        self.flat = fidelity.flat(self.truth)
        self._drawn: dict[str, list[np.ndarray]] = {}
        self._measured: dict[str, list[dict[str, np.ndarray]]] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self._normal: np.ndarray | None = None
        self._areas: list[pd.DataFrame] = []
        for name, estimate in zip(BASELINES, self._baselines(), strict=True):
            self._told[name] = {"baseline": True, "target": "probability", "only": None}
            self._keep(name, estimate)

    def train(
        self,
        name: str,
        repeat: int,
        settings: EstimatorRecipe,
        where: str,
        *,
        work: Path,
        out: Path,
        progress: Callable[[float, int], None],
    ) -> None:
        """Train an estimator once, and draw the map of every image's predicted class.

        Args:
            name: Its name.
            repeat: Which of its trainings, from 0; the first is kept and timed, the second kept
                to verify it by.
            settings: Its part of the recipe.
            where: Its place there, for messages.
            work: Folder that outlives a stop.
            out: Folder to write to.
            progress: Told how many epochs are done.

        Raises:
            StageError: The training diverged.
        """
        plan = estimating.Settings(
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            batch_size=settings.batch_size,
            patience=settings.patience,
            seed=settings.seed + repeat,
            optimizer=settings.optimizer,
            pattern=estimating.Settings.pattern if settings.network == "unet" else 0.0,
        )
        if settings.target == "study" and CEILING not in self._told:
            self._told[CEILING] = {"baseline": True, "target": "study", "only": None}
            self._keep(CEILING, self._study(self.truth))
        work.mkdir(parents=True, exist_ok=True)
        network, fitted = estimating.train(
            lambda: self._build(settings),
            self._pairs("train", settings, plan.seed),
            self._pairs("val", settings, plan.seed),
            plan,
            where,
            work=work,
            progress=progress,
        )
        everything = np.arange(len(self.split))
        drawn = estimating.predict(network, self.read, everything, self.predicted)
        told = self._told.setdefault(
            name,
            {
                "baseline": False,
                "target": settings.target,
                "only": settings.only,
                "seconds": [],
                "epochs": [],
                "best_epoch": [],
            },
        )
        self._keep(name, drawn)
        told["seconds"].append(float(fitted.history["seconds"].sum()))
        told["epochs"].append(len(fitted.history))
        told["best_epoch"].append(fitted.best_epoch)
        if repeat == 0:
            told["parameters"] = int(network.count_params())
            told["ms"] = self._times_of(network)
            network.save(out / f"{name}.keras")
            np.save(out / f"{name}.npy", drawn)
        if repeat == 1:
            (out / SECOND).mkdir(exist_ok=True)
            network.save(out / SECOND / f"{name}.keras")

    def document(self) -> dict[str, Any]:
        """Fidelity on test, times, and the bound up to which an estimate is shown; None where a
        figure means nothing, as a correlation does where all maps are flat."""
        times = self._exact_times()
        estimators = {}
        for name in self._drawn:
            told = dict(self._told[name])
            judged = self._judged(name)
            repeats = [self._summary(each, judged) for each in self._measured[name]]
            told["fidelity"] = repeats[0]
            told["repeats"] = {
                measure: _spread([each["means"][measure]["value"] for each in repeats])
                for measure in MEASURES
            }
            told["study_mse"] = self._study_errors(name)
            if "ms" in told:
                learnt = np.isin(self.split, ("train", "val")) & self._predicted_as(told["only"])
                payback = timing.break_even(
                    told["seconds"][0], int(learnt.sum()), times["exact"], told["ms"]
                )
                told["break_even"], told["payback"] = payback.images, asdict(payback)
            estimators[name] = told
        test = self.split == "test"
        document = {
            "estimators": estimators,
            "ms": times,
            "test": {"maps": int(test.sum()), "flat": int((test & self.flat).sum())},
            "curves": self._curves(),
            "verify": self._verify(),
        }
        finite: dict[str, Any] = _finite(document)
        return finite

    def table(self) -> pd.DataFrame:
        """One row an image and estimator: its fidelity, by the first training."""
        parts = []
        for name, (measured, *_) in self._measured.items():
            parts.append(
                pd.DataFrame(
                    {
                        "sample_id": self.sample_ids,
                        "estimator": name,
                        "flat": self.flat,
                        **{measure: measured[measure] for measure in MEASURES},
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def areas(self) -> pd.DataFrame:
        """One row an image and map that :meth:`document` has followed: areas under its curves."""
        none = pd.DataFrame({"sample_id": [], "map": [], "deletion": [], "insertion": []})
        return pd.concat(self._areas, ignore_index=True) if self._areas else none

    def _baselines(self) -> tuple[np.ndarray, np.ndarray]:
        train = self.split == "train"
        known = train if train.any() else np.ones(len(train), bool)
        means = estimating.mean_map(self.truth[known], self.predicted[known], self.maps.shape[-1])
        return means[self.predicted], estimating.upsampled(self.truth)

    def _build(self, settings: EstimatorRecipe) -> Any:
        from pipelines.models.estimators import map_estimator, study_estimator

        shape, classes, stride = self.inputs.shape, self.maps.shape[-1], self.exact["stride"]
        if settings.network == "study":
            encoder = None if settings.encoder is None else self.load(settings.encoder)
            return study_estimator(
                shape, classes, stride, code=settings.code, cut=settings.cut, encoder_of=encoder
            )
        inside = self.load(None) if settings.classifier else None
        return map_estimator(shape, classes, stride, classifier=inside)

    def _pairs(self, split: str, settings: EstimatorRecipe, seed: int) -> estimating.Pairs:
        """Images of a split with their predicted class and, where it is told, another one."""
        rows = np.flatnonzero((self.split == split) & self._predicted_as(settings.only))
        asked = self.predicted[rows]
        maps = self._normal_maps() if settings.target == "study" else self.maps
        if settings.network == "study" and settings.code == "none":
            return estimating.Pairs(self.read, maps, rows, asked)
        classes = self.maps.shape[-1]
        further = np.random.default_rng(seed).integers(1, classes, len(rows))
        others = ((asked + further) % classes).astype(np.int32)
        return estimating.Pairs(self.read, maps, np.tile(rows, 2), np.concatenate([asked, others]))

    def _normal_maps(self) -> np.ndarray:
        """The study's maps of every class, made when first asked for."""
        if self._normal is None:
            self._normal = np.empty(self.maps.shape, np.float32)
            for at in range(self.maps.shape[-1]):
                self._normal[..., at] = self._study(self.maps[..., at])
        return self._normal

    def _study(self, maps: np.ndarray) -> np.ndarray:
        return study.of_maps(maps, self.exact["patch"], self.exact["stride"])

    def _predicted_as(self, name: str | None) -> np.ndarray:
        """Which images are predicted as a class; all of them for None."""
        if name is None:
            return np.ones(len(self.split), bool)
        return np.asarray(self.predicted == self.classes.index(name))

    def _judged(self, name: str) -> np.ndarray:
        """Which images of test an estimator is judged by."""
        judged: np.ndarray = (self.split == "test") & self._predicted_as(self._told[name]["only"])
        return judged

    def _times_of(self, network: Any) -> timing.Times:
        some = np.arange(min(timing.MANY, len(self.split)))
        draw = estimating.drawer(network)
        return timing.of_estimator(draw, self.read(some), self.predicted[some])

    def _exact_times(self) -> dict[str, Any]:
        some = np.arange(min(timing.MANY, len(self.split)))
        images, model = self.read(some), self.load(None)
        patch, stride, way = (self.exact[name] for name in ("patch", "stride", "way"))
        engine = open_engine(model, size=patch, stride=stride, way=way)
        hidden = filled(images, self.exact["fill"], patch)
        others = {}
        for other in get_args(Way):
            with contextlib.suppress(ValueError):
                if other != way:
                    opened = open_engine(model, size=patch, stride=stride, way=other)
                    others[other] = timing.of_other_way(opened, images, hidden)
        return {
            "exact": timing.of_engine(engine, images, hidden),
            "way": way,
            "other_ways": others,
            "study_loop": timing.of_loop(model, images[0], hidden[0], engine.patches),
        }

    def _keep(self, name: str, drawn: np.ndarray) -> None:
        measured = fidelity.fidelity(self.truth, drawn)
        if self._told[name]["target"] == "study":
            # The study's map has no scale: it can be correlated, not subtracted.
            for measure in ("mse", "mae", "ssim"):
                measured[measure] = np.full(len(drawn), np.nan)
        self._drawn.setdefault(name, []).append(drawn)
        self._measured.setdefault(name, []).append(measured)

    def _summary(self, measured: dict[str, np.ndarray], judged: np.ndarray) -> dict[str, Any]:
        of_judged = {measure: values[judged] for measure, values in measured.items()}
        return fidelity.summary(of_judged, self.flat[judged]).plain()

    def _study_errors(self, name: str) -> dict[str, float | int]:
        """Mean squared error on test as the study defined it, over the trainings."""
        judged, normal = self._judged(name), self._told[name]["target"] == "study"
        ours = self._study(self.truth[judged])
        errors = []
        for drawn in self._drawn[name]:
            its = drawn[judged]
            theirs = its if normal else self._study(its)
            errors.append(float(np.mean(fidelity.study_mse(ours, theirs))))
        return _spread(errors)

    def _drawing(self) -> list[str]:
        """Names of the estimators that draw the probabilities of any image."""
        return drawing({"estimators": self._told})

    def _curves(self) -> dict[str, Any] | None:
        """Mean deletion and insertion curves of all maps, over some of test that are not flat."""
        there = np.flatnonzero((self.split == "test") & ~self.flat)
        most = max(1, min(_FOLLOWED, _FOLLOWED_VALUES // math.prod(self.inputs.shape)))
        some = np.sort(np.random.default_rng(0).permutation(there)[:most])
        if not len(some):
            return None
        forward, images, asked = compiled(self.load(None)), self.read(some), self.predicted[some]
        hidden = filled(images, self.exact["fill"], self.exact["patch"])
        followed: dict[str, Any] = {}
        drawn = {name: self._drawn[name][0] for name in (*BASELINES, *self._drawing())}
        for name, maps in {EXACT: self.truth, **drawn}.items():
            found = curves(
                lambda batch: to_probabilities(forward(batch)),
                images,
                hidden,
                maps[some],
                asked,
                stride=self.exact["stride"],
            )
            self._areas.append(
                pd.DataFrame(
                    {
                        "sample_id": self.sample_ids.iloc[some],
                        "map": name,
                        "deletion": found.deletion_area,
                        "insertion": found.insertion_area,
                    }
                )
            )
            followed["shares"] = found.shares.tolist()
            followed.setdefault("maps", {})[name] = {
                "deletion": found.deletion.mean(axis=0, dtype=np.float64).tolist(),
                "insertion": found.insertion.mean(axis=0, dtype=np.float64).tolist(),
                "deletion_area": _mean(found.deletion_area),
                "insertion_area": _mean(found.insertion_area),
            }
        return {"n": len(some), "of": len(there), **followed}

    def _verify(self) -> dict[str, Any] | None:
        """When to trust an estimate: two trainings that agree, with the bound chosen on val."""
        twice = [name for name in self._drawing() if len(self._drawn[name]) > 1]
        val, test = self.split == "val", self.split == "test"
        if not twice or not val.any() or not test.any():
            return None
        one, other = self._drawn[twice[0]][:2]
        score = risk.disagreement(one, other)
        error = self._measured[twice[0]][0]["mae"]
        wanted = _WANTED * float(error[val].mean())
        curve = risk.risk_coverage(score[test], error[test])
        bound = risk.choose_bound(score[val], error[val], wanted)
        applied = risk.apply(bound, score[test], error[test])
        ideal = risk.risk_coverage(error[test], error[test])
        places = np.linspace(0, len(curve.coverage) - 1, 100).round().astype(int)
        return {
            "estimator": twice[0],
            "n": {"val": int(val.sum()), "test": int(test.sum())},
            "wanted": wanted,
            "bound": applied.bound,
            "accepted": _rate(applied.accepted),
            "error": _rate(applied.error),
            "error_of_rest": _rate(applied.error_of_rest),
            "coverage": curve.coverage[places].tolist(),
            "risk": curve.risk[places].tolist(),
            "best_risk": ideal.risk[places].tolist(),
            "area": curve.area,
            "best": curve.best,
            "random": curve.random,
            "gain": curve.gain,
        }


def _rate(share: Any) -> dict[str, float]:
    return {"value": share.value, "low": share.low, "high": share.high, "n": share.n}


def _mean(values: np.ndarray) -> dict[str, float]:
    """Mean with its bootstrap interval."""
    low, high = bootstrap(np.mean, values)
    return {"value": float(values.mean()), "low": low, "high": high, "n": len(values)}


def _spread(values: list[float]) -> dict[str, float | int]:
    """Mean and standard deviation over trainings."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "std": deviation, "n": len(values)}


def _finite(value: Any) -> Any:
    """Plain data without numbers that JSON does not know."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
