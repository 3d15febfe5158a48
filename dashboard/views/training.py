"""How the runs of a workspace learnt, what is left to gain, and how their settings differ."""

from __future__ import annotations

import streamlit as st

from cache import Run
from dashboard import curves, data, decided, selection
from dashboard.compared import COMPARED
from dashboard.widgets import figures
from dashboard.widgets.messages import finding, notice, plain, told
from pipelines.methods import number
from pipelines.methods.colours import run_colours

RUNS = "runs"
HUMAN_ERROR = "human_error"
ONLY_DIFFERENT = "only_different"
AT_FIRST = 6


def summary_sentence(run: Run, found: list[curves.Standing], human: bool) -> str:
    """The page's finding, of the selected run."""
    document = run.document
    ended = "stopped early" if document["stopped"] == "early stopping" else "ran to the end"
    start = (
        f"{plain(run.name)} was best at epoch {document['best_epoch']} of {document['epochs']} "
        f"({ended})"
    )
    mine = next((each for each in found if each.run == run.name), None)
    if mine is None:
        return f"{start}. It has no predictions yet."
    ideal = "what people reach" if human else "no errors"
    bias = f"avoidable bias ({number.points(mine.gaps.bias)} from {ideal} to train)"
    variance = f"variance ({number.points(mine.gaps.variance)} from train to val)"
    weight = curves.weighs_more(mine.gaps)
    if weight == "variance":
        end = f"{variance.capitalize()} weighs more than {bias}"
    elif weight == "avoidable bias":
        end = f"{bias.capitalize()} weighs more than {variance}"
    else:
        end = f"{bias.capitalize()} and {variance} do not differ clearly"
    return f"{start} and is right on {number.rate(mine.val)} of val. {end}."


st.title("Training", anchor=False)
workspace = selection.workspace()
chosen = selection.run()
everything = workspace.runs()
trained = {run.name: run for run in everything if run.artefact("train").exists}
colours = run_colours([run.name for run in everything])

if not trained:
    notice(
        "No run is trained yet",
        f"The workspace '{workspace.name}' plans: {', '.join(run.name for run in everything)}.",
        command=workspace.command,
        icon=":material/hourglass_empty:",
    )
    st.stop()

headline, controls = st.container(), st.container(horizontal=True, vertical_alignment="bottom")
default = list(trained)[:AT_FIRST]
if chosen.name in trained and chosen.name not in default:
    default = [chosen.name, *default[: AT_FIRST - 1]]
known_error = workspace.dataset.human_error
with controls:
    selection.of_workspace(RUNS, default)
    names = st.multiselect("Runs", list(trained), key=RUNS, bind="query-params", width="stretch")
    percent = None if known_error is None else round(100 * known_error, 2)
    selection.of_workspace(HUMAN_ERROR, percent)
    human_error = st.number_input(
        "Human error, %",
        min_value=0.0,
        max_value=100.0,
        value=None,
        step=0.5,
        format="%.2f",
        key=HUMAN_ERROR,
        bind="query-params",
        placeholder="not known",
        width=170,
        help="How often people are wrong on this task. Without it, avoidable bias counts from no "
        "errors at all.",
    )
runs = [trained[name] for name in trained if name in names]
if len(runs) > 1:
    with controls:
        st.button(
            "Compare these runs",
            key="training_compare",
            icon=":material/compare_arrows:",
            on_click=selection.go,
            args=("compare",),
            kwargs={"link": {COMPARED: [run.name for run in runs]}},
        )
ideal = 1.0 if human_error is None else 1.0 - human_error / 100
found = curves.standings(runs, ideal)

with headline:
    if chosen.name in trained:
        mine = found if chosen.name in names else curves.standings([chosen], ideal)
        finding(summary_sentence(chosen, mine, human_error is not None))
    else:
        finding(
            f"{plain(chosen.name)} is not trained yet; "
            f"{number.plural(len(trained), 'other run')} of this workspace "
            f"{'is' if len(trained) == 1 else 'are'}."
        )
        st.code(workspace.command, language="bash")

if not runs:
    notice("No run is chosen", "Choose one or more runs above to see their curves.")
    st.stop()

histories = {run.name: data.history(run) for run in runs}
best_epochs = {run.name: int(run.document["best_epoch"]) for run in runs}
listed = ", ".join(histories)

with st.grid(2, min_column_width=400):
    st.plotly_chart(
        curves.measure_figure(histories, best_epochs, colours, "loss"),
        config=figures.CONFIG,
        key="training_loss",
        alt=f"Loss by epoch on train and val of {listed}",
    )
    st.plotly_chart(
        curves.measure_figure(
            histories,
            best_epochs,
            colours,
            "accuracy",
            None if human_error is None else ideal,
        ),
        config=figures.CONFIG,
        key="training_accuracy",
        alt=f"Accuracy by epoch on train and val of {listed}",
    )
    st.plotly_chart(
        curves.epoch_figure(histories, colours, "learning_rate"),
        config=figures.CONFIG,
        key="training_rate",
        alt=f"Learning rate by epoch of {listed}",
    )
    st.plotly_chart(
        curves.epoch_figure(histories, colours, "seconds"),
        config=figures.CONFIG,
        key="training_seconds",
        alt=f"Seconds by epoch of {listed}",
    )
sizes = ", ".join(f"{count:,} {split}" for split, count in data.split_counts(workspace).items())
st.caption(
    "Solid: val. Dotted: train, measured after each epoch in inference mode on un-augmented "
    "images, without penalty terms. The diamond marks the best epoch (lowest validation loss), "
    f"whose weights are kept. {sizes} images."
    + (f" {plain(workspace.dataset.simulated)}" if workspace.dataset.simulated else "")
)

# One slot, however much is in it: a bound widget that moves loses its place in the URL.
with st.container():
    st.header("What is left to gain", anchor=False)
    if found:
        st.plotly_chart(
            curves.gap_figure(found, colours, ideal),
            config=figures.CONFIG,
            key="training_gaps",
            alt="Accuracy on train and val of each run beside what is possible",
        )
        gap_table = curves.gap_table(found)
        gap_table.index = gap_table.index.map(plain)
        st.table(gap_table, border="horizontal", alt="Avoidable bias and variance of each run")
        st.caption(
            (
                "Avoidable bias: what people reach minus train. "
                if human_error is not None
                else "Avoidable bias: no errors minus train, since no human error is given. "
            )
            + "Variance: train minus val. In percentage points, with 95 % intervals (Newcombe), "
            "of the best weights." + decided.learnt_by(runs)
        )
    with told():
        for run in runs:
            by_decided = decided.accuracy(run, "test")
            if by_decided is not None:
                st.caption(f"{plain(run.name)}. {decided.sentence(by_decided, 'test')}")
    without = [run.name for run in runs if run.name not in {each.run for each in found}]
    if without:
        notice(
            "No predictions on train and val",
            f"Not shown here: {', '.join(without)}.",
            command=workspace.command,
            icon=":material/hourglass_empty:",
        )
    others = [trained[each.run] for each in found if each.run != chosen.name]
    if others and any(each.run == chosen.name for each in found):
        st.subheader(
            f"{plain(chosen.name)} against the others, on the same val images", anchor=False
        )
        paired = curves.paired_table(chosen, others)
        paired.index = paired.index.map(plain)
        paired.columns = [plain(name) for name in paired.columns]
        st.table(paired, border="horizontal", alt="Paired comparison of runs on validation images")
        st.caption(
            "Exact McNemar test on the images that only one of the two has right. Small p-values "
            "among many comparisons are expected; test images play no part here."
            + (" By given labels, whatever the runs learnt." if decided.learnt_by(runs) else "")
        )

st.header("Settings side by side", anchor=False)
documents = {run.name: run.document for run in runs}
frame, different = curves.settings_table(documents)
if len(runs) > 1:
    only = st.toggle("Only what differs", key=ONLY_DIFFERENT, bind="query-params")
    st.caption(
        f"{number.plural(int(different.sum()), 'setting')} of {len(frame)} "
        f"{'differs' if different.sum() == 1 else 'differ'} (≠, first and bold)."
    )
    if only:
        frame, different = frame[different], different[different]
if len(frame):
    st.table(
        curves.marked_settings(frame, different), border="horizontal", alt="Settings of the runs"
    )

st.header("What it took", anchor=False)
facts = curves.facts_table(documents).map(plain)
facts.columns = [plain(name) for name in facts.columns]
st.table(facts, border="horizontal", alt="Size, time, memory and latency of the runs")
st.caption(
    "Latency: median of repeated calls of the model in inference mode, after warming up, with its "
    "5th to 95th percentile; the last but one row compares 32 images at once with one at a time."
)
