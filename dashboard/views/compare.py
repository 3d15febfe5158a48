"""Two or more runs on the same images: figures, differences, and the images that decide them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import (
    comparability,
    compared,
    comparison_tables,
    curves,
    data,
    decided,
    disagreements,
    disputed,
    mistakes,
    narrowing,
    opened,
    selection,
)
from dashboard.compared import COMPARED
from dashboard.disagreements import Duel
from dashboard.widgets import figures
from dashboard.widgets.messages import finding, notice, plain, told
from pipelines.methods import number
from pipelines.methods.colours import run_colours

AGAINST = "against"
PANELS = "compare_panels"

# Most classes whose matrices stand beside the images; larger ones take the whole width.
MOST_BESIDE = 20


def show_too_few() -> None:
    """What there is to do where there are not two runs to compare."""
    if len(everything) < 2:
        notice(
            "Comparing takes two runs",
            f"'{workspace.name}' has {number.plural(len(everything), 'run')}. Add another under "
            "runs: in its recipe, for instance a copy of the first under a new name with another "
            "model, learning rate or seed. Only the new run is then made:",
            command=workspace.command,
        )
        return
    without = [run.name for run in everything if run.name not in predicted]
    notice(
        "Fewer than two runs have predictions",
        f"Not made yet: {', '.join(without)}.",
        command=workspace.command,
        icon=":material/hourglass_empty:",
    )


def choose_runs() -> list[str]:
    """Draw the choice of runs; at first two, the selected one among them."""
    first = list(predicted)[:2]
    if selected in predicted and selected not in first:
        first = [first[0], selected]
    strange = [name for name in st.query_params.get_all(COMPARED) if name not in predicted]
    if strange:
        with messages:
            notice(
                "No such run to compare",
                f"The link names runs that '{workspace.name}' does not have, or that have no "
                f"predictions yet: {', '.join(strange)}.",
                icon=":material/search_off:",
            )
    selection.of_workspace(COMPARED, first)
    if COMPARED in st.session_state:
        # A workspace made anew may have lost a run.
        st.session_state[COMPARED] = [n for n in st.session_state[COMPARED] if n in predicted]
    names = st.multiselect(
        "Runs",
        list(predicted),
        key=COMPARED,
        bind="query-params",
        width="stretch",
        help="Two or more. Differences are to the run that is selected in the sidebar, if it is "
        "among them, else to the first.",
    )
    return [name for name in predicted if name in names]


def choose_other(others: Sequence[str]) -> str:
    """Draw the choice of the run whose images are looked at beside those of the reference."""
    if len(others) == 1:
        return others[0]
    selection.of_workspace(AGAINST, others[0])
    if st.session_state.get(AGAINST, others[0]) not in others:
        st.session_state[AGAINST] = others[0]
    return st.selectbox(
        f"{names[place]} against", others, key=AGAINST, bind="query-params", width=220
    )


def show_figures() -> None:
    """Figures of each run and paired differences: drawn, then in numbers."""
    found = figured if part is whole else compared.measures(part, place, positive)
    with st.grid(2, min_column_width=380):
        st.plotly_chart(
            comparison_tables.value_figure(found, names, colours),
            config=figures.CONFIG,
            key="compare_values",
            alt=f"Accuracy and other shares of {', '.join(names)} on {split}, with intervals",
        )
        st.plotly_chart(
            comparison_tables.difference_figure(found, names, colours, place),
            config=figures.CONFIG,
            key="compare_differences",
            alt=f"Differences from {names[place]} on {split}, with paired intervals",
        )
    if clean is not None:
        spared = compared.measures(clean, place, positive)
        found = [
            measure
            for all_, some in zip(figured, spared, strict=True)
            for measure in (all_, replace(some, name=f"{some.name} without leaked"))
        ]
    with st.grid(2 if len(names) == 2 else 1, min_column_width=380):
        st.table(
            comparison_tables.value_table(found, names),
            border="horizontal",
            alt=f"Figures of each run on {split}",
        )
        st.table(
            comparison_tables.difference_table(found, names, place),
            border="horizontal",
            alt=f"Differences from {names[place]} on {split}",
        )
    if len(names) > 2:
        st.table(
            comparison_tables.pair_table(compared.pairs(part)),
            border="horizontal",
            hide_index=True,
            alt="McNemar's test of every two runs",
        )
    st.caption(how_measured())


def show_decided() -> None:
    """The same images by decided labels, where there are any: apart, and accuracy alone."""
    found = decided.compare(answers, part, place)
    if found is None:
        return
    st.markdown("**By decided labels**, apart from all other figures here")
    with st.grid(2 if len(names) == 2 else 1, min_column_width=380):
        st.table(
            comparison_tables.value_table([found.accuracy], names),
            border="horizontal",
            alt=f"Accuracy of each run on {split} by decided labels",
        )
        st.table(
            comparison_tables.difference_table([found.accuracy], names, place),
            border="horizontal",
            alt=f"Differences from {names[place]} on {split} by decided labels",
        )
    if len(names) > 2:
        st.table(
            comparison_tables.pair_table(found.pairs),
            border="horizontal",
            hide_index=True,
            alt="McNemar's test of every two runs by decided labels",
        )
        st.caption(found.coverage)
    else:
        st.caption(f"McNemar {number.p_value(found.pairs[0].paired.p_value)}. {found.coverage}")


def how_measured() -> str:
    """What the figures are of, and where their intervals come from."""
    said = (
        f"Of {number.plural(whole.n, f'{split} image')}, the same for all runs, by given labels. "
        "Intervals of 95 %: Wilson for shares of images, Newcombe's for their paired differences, "
        "paired bootstrap (1,000 times the images, all runs together) for the others."
    )
    if positive is not None:
        said += " F2 weighs recall more than precision."
    if clean is not None:
        said += f" Leaked: the group or the pixels of {leaks:,} of them also stand in train."
    if len(names) > 2:
        said += " Adjusted p-values allow for the number of pairs (Holm)."
    if workspace.dataset.simulated:
        said += f" {plain(workspace.dataset.simulated)}"
    learnt = [plain(run.name) for run in runs if decided.trained_on(run)]
    by_decided = f" by decided labels, which {' and '.join(learnt)} learnt" if learnt else ""
    return f"{said} Choose between runs by val{by_decided}; test only reports."


def show_ways() -> None:
    """To the mistakes of one run, and to how all were trained."""
    with st.container(horizontal=True, gap="small"):
        for name in names:
            st.button(
                f"Mistakes of {plain(name)}",
                key=f"compare_errors_{name}",
                icon=":material/rule:",
                type="tertiary",
                on_click=selection.go,
                args=("errors",),
                kwargs={"run": name, "state": {selection.SPLIT: split}},
            )


def show_classes() -> None:
    """Differences of recall by class, drawn and as a sortable table."""
    second, first = duel.names
    table = compared.recall_differences(part, duel.second, duel.first)
    st.plotly_chart(
        comparison_tables.class_figure(table, first, second, colours),
        config=figures.CONFIG,
        key="compare_classes",
        alt=f"Recall of each class, {first} minus {second}",
    )
    st.dataframe(
        comparison_tables.class_table(table),
        hide_index=True,
        key="compare_class_table",
        alt=f"Recall of each class by {first} and {second}",
        column_config={
            "class": st.column_config.TextColumn("Class", pinned=True),
            "images": st.column_config.NumberColumn("Images", format="localized"),
            "difference": st.column_config.NumberColumn("Difference, points", format="%+.1f"),
            "interval": st.column_config.TextColumn("95 % interval"),
            "second": st.column_config.TextColumn(f"Recall of {second} (95 %)"),
            "first": st.column_config.TextColumn(f"Recall of {first} (95 %)"),
            "only_second": st.column_config.NumberColumn(f"Only {second} right"),
            "only_first": st.column_config.NumberColumn(f"Only {first} right"),
        },
    )
    drawn = min(len(table), comparison_tables.MOST_CLASSES)
    st.caption(
        f"Drawn: {drawn} of {number.plural(len(table), 'class', 'classes')}, those that differ "
        "most first. Recall: share of the class's images that are right; Newcombe's paired "
        "intervals. Among many classes some differ by chance."
    )


def show_agreement() -> None:
    """How far every two runs are right together, and answer the same."""
    right, same = comparison_tables.agreement_tables(part)
    for title, table in (("Both right or both wrong", right), ("The same answer", same)):
        st.markdown(f"**{title}**, of {number.plural(part.n, f'{split} image')}")
        st.table(table, border="horizontal", alt=title)
    st.caption("With 95 % Wilson intervals.")


def show_training() -> None:
    """Curves of the runs over one another, and the settings in which they differ."""
    trained = [run for run in runs if run.artefact("train").exists]
    if not trained:
        return
    st.header("How they were trained", anchor=False)
    histories = {run.name: data.history(run) for run in trained}
    best = {run.name: int(run.document["best_epoch"]) for run in trained}
    with st.grid(2, min_column_width=380):
        st.plotly_chart(
            curves.measure_figure(histories, best, colours, "loss"),
            config=figures.CONFIG,
            key="compare_loss",
            alt=f"Loss by epoch on train and val of {', '.join(histories)}",
        )
        st.plotly_chart(
            curves.measure_figure(histories, best, colours, "accuracy"),
            config=figures.CONFIG,
            key="compare_accuracy",
            alt=f"Accuracy by epoch on train and val of {', '.join(histories)}",
        )
    st.caption("Solid: val. Dotted: train. The diamond marks the epoch whose weights are kept.")
    frame, different = curves.settings_table({run.name: run.document for run in trained})
    count = int(different.sum())
    if count:
        st.table(
            curves.marked_settings(frame[different], different[different]),
            border="horizontal",
            alt="Settings in which the runs differ",
        )
    st.caption(
        f"{number.plural(count, 'setting')} of {len(frame)} {'differs' if count == 1 else 'differ'}"
        ". Training shows all of them."
    )


opened.leave()
st.title("Compare", anchor=False)
workspace = selection.workspace()
selected = selection.run().name
everything = workspace.runs()
predicted = {run.name: run for run in everything if run.artefact("predictions").exists}
colours = run_colours([run.name for run in everything])
positive = workspace.dataset.positive

if len(predicted) < 2:
    show_too_few()
    st.stop()

# What comes and goes stays inside slots: a bound widget that moves loses its place in the URL.
headline, messages = st.container(), st.container()
controls = st.container(horizontal=True, vertical_alignment="bottom")
with controls:
    chosen = choose_runs()
with messages:
    runs = comparability.keep_readable([predicted[name] for name in chosen])
if len(runs) < 2:
    with headline:
        finding("Choose two runs or more to compare them on the same images.")
    st.stop()

answers = compared.answers(runs)
names = answers.names
place = names.index(selected) if selected in names else 0
with controls:
    split = selection.choose_split(data.splits_of(workspace))
    without_leaks = narrowing.choose_leaks(answers.samples, split)
leaks = mistakes.leaked(answers.samples, split)
whole = compared.part(answers, split)
clean = compared.part(answers, split, without_leaks=True) if 0 < leaks < whole.n else None
part = clean if clean is not None and without_leaks else whole
with messages:
    comparability.warn(runs, whole)
if not part.n:
    with headline:
        finding(f"No {split} image was asked of all of these runs.")
    st.stop()

with headline:
    spotless = () if clean is None else compared.pairs(clean)
    figured = compared.measures(whole, place, positive)
    finding(comparison_tables.finding(whole, compared.pairs(whole), spotless, figured, place))
with st.container():
    show_figures()
    with told():
        show_decided()
    show_ways()

st.header("Where they differ", anchor=False)
with st.container():
    other = choose_other([name for name in names if name != names[place]])
    duel = Duel(answers, part, place, names.index(other))
looked = disagreements.current(duel)
beside = len(part.classes) <= MOST_BESIDE
with st.grid(2 if beside else 1, min_column_width=440 if beside else "auto", gap="medium"):
    left, right = st.container(), st.container()
with left:
    panels = ["Right and wrong", "Classes", "Confusion matrices", "Agreement"]
    by_answer, by_class, by_cell, *by_agreement = st.tabs(
        panels if len(names) > 2 else panels[:3], key=PANELS, bind="query-params"
    )
    # Before the square, which shows what a click on a matrix changes.
    with by_cell:
        disagreements.show_matrices(duel, looked)
    looked = disagreements.current(duel)
    disagreements.remember()
    with by_answer:
        disagreements.show_square(duel, looked)
        st.markdown(comparison_tables.agreement_sentence(duel))
    with by_class:
        show_classes()
    for panel in by_agreement:
        with panel:
            show_agreement()
with right:
    disputed.show(duel, looked, messages)
with st.container():
    show_training()
