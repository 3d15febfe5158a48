from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Workspace
from dashboard import curves, data
from pipelines.methods.colours import run_colours
from tests.dashboard.conftest import make_workspace

Open = Callable[..., AppTest]


def traces(at: AppTest, place: int) -> list[dict[str, object]]:
    """Traces of a chart of the page."""
    chart = at.get("plotly_chart")[place]
    return list(json.loads(chart.proto.spec)["data"])


def test_curves_of_all_runs_with_the_best_epoch(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("training", workspace="shapes")
    assert not at.exception
    for place in (0, 1):
        drawn = traces(at, place)
        names = [trace["name"] for trace in drawn]
        assert names.count("plain") == names.count("wide") == 2
        dashes = {trace["line"]["dash"] for trace in drawn if trace["name"] == "plain"}  # type: ignore[index]
        assert dashes == {"dot", "solid"}
        assert {"plain, best epoch", "wide, best epoch"} <= set(names)


def test_the_best_epoch_stands_on_its_curve(workspaces: dict[str, Workspace]) -> None:
    run = workspaces["shapes"].run("plain")
    history = data.history(run)
    figure = curves.measure_figure({"plain": history}, {"plain": 6}, run_colours(["plain"]), "loss")
    mark = figure.data[-1]
    assert list(mark.x) == [6]
    assert list(mark.y) == [history.set_index("epoch")["val_loss"][6]]


def test_runs_can_be_left_out(workspaces: dict[str, Workspace], open_page: Open) -> None:
    at = open_page("training", workspace="shapes", runs="wide")
    assert at.multiselect(key="runs").value == ["wide"]
    assert {str(trace["name"]).split(",")[0] for trace in traces(at, 0)} == {"wide"}
    at.multiselect(key="runs").set_value([]).run()
    assert not at.exception
    assert any("No run is chosen" in each.value for each in at.markdown)


def test_a_run_keeps_its_colour_when_others_are_left_out(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    def colour(at: AppTest) -> str:
        drawn = next(trace for trace in traces(at, 0) if trace["name"] == "wide")
        return str(drawn["line"]["color"])  # type: ignore[index]

    both = open_page("training", workspace="shapes")
    alone = open_page("training", workspace="shapes", runs="wide")
    assert colour(both) == colour(alone)


def test_gaps_are_the_differences_of_the_accuracies(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("training", workspace="shapes", human_error="2.0")
    assert not at.exception
    table = at.table[0].value
    run = workspaces["shapes"].run("plain")
    train, val = data.accuracy(run, "train"), data.accuracy(run, "val")
    assert train is not None and val is not None
    bias, variance = 100 * (0.98 - train.value), 100 * (train.value - val.value)
    assert table.loc["plain", "avoidable bias"].startswith(
        f"{bias:+.1f}".replace("-", "\N{MINUS SIGN}")
    )
    assert table.loc["plain", "variance"].startswith(f"{variance:+.1f}")
    assert "90" in table.loc["plain", "train"] and "interval" in table.loc["plain", "train"]
    assert "what people reach" in at.subheader[0].value


def test_the_human_error_of_the_dataset_is_the_first_value(
    cache_folder: Path, open_page: Open
) -> None:
    make_workspace(cache_folder, "with", human_error=0.035)
    make_workspace(cache_folder, "without", human_error=None)
    at = open_page("training", workspace="with")
    assert at.number_input(key="human_error").value == 3.5
    at.selectbox(key="workspace").select("without").run()
    assert not at.exception
    assert at.number_input(key="human_error").value is None
    assert any("no human error is given" in caption.value for caption in at.caption)


def test_settings_that_differ_come_first_and_are_marked(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("training", workspace="shapes")
    settings = at.table[2].value
    first = settings.iloc[0]
    assert settings.index[0].startswith("≠") and "batch" in settings.index[0]
    assert first.tolist() == ["**32**", "**64**"]
    assert not settings.index[1].startswith("≠")
    at.toggle(key="only_different").set_value(True).run()
    assert len(at.table[2].value) == 1


def test_settings_of_runs_with_other_parts() -> None:
    frame, different = curves.settings_table(
        {
            "a": {"settings": {"seed": 0, "augmentation": None}},
            "b": {"settings": {"seed": 0, "augmentation": {"shift_x": 0.1, "flip": True}}},
        }
    )
    assert frame.loc["augmentation.shift_x"].tolist() == ["–", "0.1"]
    assert frame.loc["augmentation.flip"].tolist() == ["–", "yes"]
    assert different.to_dict() == {
        "seed": False,
        "augmentation": True,
        "augmentation.shift_x": True,
        "augmentation.flip": True,
    }


def test_runs_are_compared_on_the_same_images(workspaces: dict[str, Workspace]) -> None:
    shapes = workspaces["shapes"]
    table = curves.paired_table(shapes.run("plain"), [shapes.run("wide")])
    first, second = (
        data.answers(shapes.run(name)).query("split == 'val'")["correct"]
        for name in ("plain", "wide")
    )
    assert table.loc["wide", "only plain right"] == str((first & ~second).sum())
    assert table.loc["wide", "only the other right"] == str((second & ~first).sum())
    assert table.loc["wide", "McNemar"].startswith("p ")


@pytest.mark.parametrize(
    ("run", "finding"),
    [
        ("done", "done was best at epoch 2 of 4 (stopped early) and is right on"),
        ("half", "half was best at epoch 2 of 4 (stopped early). It has no predictions yet."),
        ("planned", "planned is not trained yet; 2 other runs of this workspace are."),
    ],
)
def test_runs_that_are_not_complete(
    cache_folder: Path, open_page: Open, run: str, finding: str
) -> None:
    runs = {
        "done": {"skill": 3.0, "epochs": 4},
        "half": {"skill": 3.0, "epochs": 4, "until": "train"},
        "planned": {"skill": 3.0, "epochs": 4, "until": None},
    }
    make_workspace(cache_folder, "unfinished", runs=runs)
    at = open_page("training", workspace="unfinished", run=run)
    assert not at.exception
    assert at.subheader[0].value.startswith(finding)
    assert any(text.value == "Not shown here: half." for text in at.text)


def test_nothing_trained_at_all(cache_folder: Path, open_page: Open) -> None:
    runs = {"planned": {"skill": 3.0, "epochs": 4, "until": None}}
    make_workspace(cache_folder, "new", runs=runs)
    at = open_page("training", workspace="new")
    assert not at.exception
    assert any("No run is trained yet" in each.value for each in at.markdown)
    assert [code.value for code in at.code] == ["python -m pipelines run new"]


def test_a_run_without_validation_images_and_of_one_epoch() -> None:
    history = pd.DataFrame(
        {
            "epoch": [1],
            "train_loss": [0.5],
            "val_loss": [float("nan")],
            "learning_rate": [0.001],
            "seconds": [2.0],
        }
    )
    colours = run_colours(["only"])
    figure = curves.measure_figure({"only": history}, {"only": 1}, colours, "loss")
    assert [trace.mode for trace in figure.data] == ["markers", "markers"]
    assert list(figure.data[-1].y) == [0.5]
    rate = curves.epoch_figure({"only": history}, colours, "learning_rate")
    assert list(rate.layout.yaxis.ticktext) == ["0.001"]
