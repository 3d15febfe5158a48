"""Peak memory of embedding images of 64x64x3, and of twice as many; each in a process of its own.

The images are simulated: random pixels in a file that is mapped, as a workspace's are. The peak is
the largest resident memory of the whole process, TensorFlow included (Linux).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.common import Row, run, scaled

SHAPE = (64, 64, 3)
FULL = 100_000
ENCODERS = {"pixels": 1.0, "hits_cnn": 1.0, "compact_cnn": 0.1, "autoencoder": 0.1}
"""What embeds, and the part of the full number that it is measured on: what computes long gets
fewer images, for its peak is that of a batch."""

NOTES = {
    "autoencoder": "one epoch of training included",
    "pixels": "fitted on up to 10,000 images of train: below 12,500 images it cannot be flat",
}
"""What is to be known of a case."""

_GIB = 2**30
_MOST = 2.0
_FLAT = 1.1


def rows(size: float, rounds: int) -> list[Row]:
    """Measure every encoder on n and on 2n images.

    Args:
        size: Part of the full number of images.
        rounds: Without effect: a peak is no timing.
    """
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for name, part in ENCODERS.items():
            count = scaled(FULL, size * part)
            once, twice = (_peak_in_child(name, n, Path(folder)) for n in (count, 2 * count))
            measured.append(
                Row(
                    case=f"peak memory of embedding {count:,} images of 64x64x3, {name}",
                    method="in batches, memory-mapped",
                    baseline=f"the same, {2 * count:,} images",
                    value=once / _GIB,
                    baseline_value=twice / _GIB,
                    ratio=twice / once,
                    target=f"under {_MOST:g} GiB, at most {_FLAT:g}x with twice the images",
                    reached=max(once, twice) < _MOST * _GIB and twice < _FLAT * once,
                    note=NOTES.get(name, ""),
                    unit="GiB",
                )
            )
    return measured


def _peak_in_child(name: str, count: int, folder: Path) -> int:
    """Bytes that another process needed at most."""
    path = folder / "images.npy"
    _write_images(path, count)
    command = [sys.executable, "-m", "benchmarks.embedding", "--child", name, str(path)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    path.unlink()
    if ended.returncode:
        raise RuntimeError(f"Embedding with '{name}' failed:\n{ended.stderr[-2000:]}")
    return int(ended.stdout.split()[-1])


def _write_images(path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *SHAPE))
    for start in range(0, count, 4096):
        rows_there = array[start : start + 4096]
        rows_there[:] = rng.integers(0, 256, rows_there.shape, np.uint8)
    array.flush()


def child(name: str, path: Path) -> int:
    """Embed all images of a file.

    Args:
        name: A key of :data:`ENCODERS`.
        path: ``.npy`` uint8 (n, 64, 64, 3).

    Returns:
        The peak of this process's memory so far, in bytes.
    """
    from pipelines.methods import machine
    from pipelines.methods.batching import batch_size_for, embed, reader_of
    from pipelines.methods.feeding import Inputs

    array = np.load(path, mmap_mode="r")
    inputs = Inputs(array, None, SHAPE, "compact_cnn", ("red", "green", "blue"))
    with tempfile.TemporaryDirectory() as folder:
        work, out = Path(folder) / "work", Path(folder) / "out"
        work.mkdir()
        out.mkdir()
        embed(
            _encoder(name, inputs, work, out),
            reader_of(inputs),
            len(inputs),
            out / "vectors.npy",
            work=work,
            batch_size=batch_size_for(SHAPE),
        )
        return machine.peak_memory()


def _encoder(name: str, inputs: Any, work: Path, out: Path) -> Any:
    from pipelines.methods import autoencoding, pixel_pca
    from pipelines.methods.backend import load_tensorflow
    from pipelines.methods.batching import reader_of
    from pipelines.methods.encoders import Encoder, compiled, tapped

    order = np.random.default_rng(0).permutation(len(inputs))
    train, val, test = np.split(order, [int(0.8 * len(order)), int(0.9 * len(order))])
    if name == "pixels":
        fitted = pixel_pca.fit(reader_of(inputs), SHAPE, np.sort(train), 50)
        return Encoder(name, len(fitted.components), SHAPE, fitted, np.asarray)
    load_tensorflow()
    import keras

    from pipelines.models import build

    if name == "autoencoder":
        settings: Any = SimpleNamespace(
            dim=32, epochs=1, batch_size=128, learning_rate=1e-3, patience=3, seed=0
        )
        autoencoding.make(
            inputs,
            {"train": train, "val": val, "test": test},
            order.astype(str),
            settings,
            "benchmark",
            work=work,
            out=out,
            progress=lambda done, total: None,
        )
        model = keras.models.load_model(out / "encoder.keras", compile=False)
    else:
        model = tapped(build(name, SHAPE, 2), "penultimate")
    return Encoder(name, int(model.outputs[0].shape[-1]), SHAPE, compiled(model), np.asarray)


def main() -> None:
    """Measure, or be the process that is measured."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--child", nargs=2)
    chosen, others = parser.parse_known_args()
    if chosen.child:
        sys.stdout.write(f"{child(chosen.child[0], Path(chosen.child[1]))}\n")
    else:
        run(rows, __doc__, others)


if __name__ == "__main__":
    main()
