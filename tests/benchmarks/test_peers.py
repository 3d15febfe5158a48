"""The benchmark against tf-explain and xplique; its cases run where `make bench-peers` runs."""

from __future__ import annotations

import json

import pytest

from benchmarks import peers
from benchmarks.common import written


def test_without_the_peers_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PEERS, "tf-explain", "a_module_that_is_not_there")
    with pytest.raises(SystemExit, match=r"without tf-explain.*make bench-peers"):
        peers.rows(0.01, 1)


@pytest.mark.filterwarnings("default")  # what the peers import has warnings of its own
def test_the_engine_gives_what_the_peers_give(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in peers.PEERS.items():
        pytest.importorskip(module, reason=f"{name} is in the environment of make bench-peers")
    import keras

    from pipelines.models import build

    def small(weights: None, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        return build("compact_cnn", input_shape, classes)

    monkeypatch.setattr(keras.applications, "ResNet50", small)
    monkeypatch.setattr(peers, "DEEP", ("ResNet50",))
    rows = peers.rows(0.01, 1)
    assert [row.baseline for row in rows] == [
        "tf-explain 0.3.1, stride 1",
        "tf-explain 0.3.1, as it is",
        "tf-explain 0.3.1, stride 1",
        "tf-explain 0.3.1, stride 8",
        "xplique 2.0.2",
    ]
    differences = [float(row.note.split("difference ")[1].split(";")[0]) for row in rows]
    assert max(differences) < 1e-4
    assert len(json.loads(written(rows, as_json=True))["rows"]) == 5
