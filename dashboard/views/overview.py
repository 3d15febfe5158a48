"""All workspaces and their runs; with an empty cache, how to make a first one."""

from __future__ import annotations

import streamlit as st

from cache import Workspace, cache_root
from cache.errors import CacheError
from dashboard import data, selection, summary
from dashboard.widgets import figures
from dashboard.widgets.messages import finding, notice, plain, show_error
from pipelines.methods import number

MISTAKES = "overview_mistakes"


def first_steps() -> None:
    """What a new user sees."""
    st.title("Centauro", anchor=False)
    finding("See where, and why, an image classifier is wrong. There is nothing to look at yet.")
    st.markdown(
        "A *recipe* names your images and the models to train on them. Running it makes a "
        "*workspace*, which then shows here. Three ways to a first one, run in the "
        "project's folder with its environment active:"
    )
    steps = (
        (
            "Real images that need no download",
            "1,797 scanned digits that come with scikit-learn, and a small network: about a "
            "minute.",
            "python -m pipelines run digits",
        ),
        (
            "Simulated images",
            "Stamps as a survey for supernovae sees them, marked as simulated everywhere.",
            "python -m pipelines run transients",
        ),
        (
            "Your own images",
            "One folder a class, DIR/class/image.jpg, or DIR/train/class/image.jpg where they are "
            "split already. Size and model are chosen from what is there.",
            "python -m pipelines run folder --set dataset.root=DIR --set name=NAME",
        ),
    )
    for title, text, command in steps:
        with st.container(border=True):
            st.markdown(f"**{title}**")
            st.text(text)
            st.code(command, language="bash", wrap_lines=True)
    st.button("Look again", icon=":material/refresh:")
    st.caption(
        f"Looked in {plain(str(cache_root()))}. Set CENTAURO_CACHE to keep workspaces elsewhere."
    )


def open_mistakes() -> None:
    """Go to the mistakes of the run whose button was clicked."""
    run = runs[st.session_state[MISTAKES].row]
    selection.go("errors", workspace=run.workspace.name, run=run.name)


def show_table() -> None:
    """The sortable table of all runs."""
    st.dataframe(
        summary.table(runs),
        hide_index=True,
        key="overview_runs",
        placeholder=number.UNKNOWN,
        alt="All runs with accuracy, parameters, training time and size",
        column_config={
            "workspace": st.column_config.TextColumn("Workspace", pinned=True),
            "run": st.column_config.TextColumn("Run", pinned=True, width=110),
            "action": st.column_config.ButtonColumn(
                "Open", key=MISTAKES, on_click=open_mistakes, type="tertiary", width="small"
            ),
            "state": st.column_config.TextColumn("State"),
            "model": st.column_config.TextColumn("Model"),
            "val": st.column_config.NumberColumn("Val, %", format="%.1f", width="small"),
            "val_interval": st.column_config.TextColumn(
                "95 % interval", help="Wilson interval, in percent, and of how many images."
            ),
            "test": st.column_config.NumberColumn("Test, %", format="%.1f", width="small"),
            "test_interval": st.column_config.TextColumn(
                "95 % interval", help="Wilson interval, in percent, and of how many images."
            ),
            "decided": st.column_config.NumberColumn(
                "Test, decided, %",
                format="%.1f",
                help="By the labels that reviewers decided, and by the given one where nothing is "
                "decided; undecidable and bad images are left out. Test and Val are by given "
                "labels, on every image.",
            ),
            "decided_interval": st.column_config.TextColumn(
                "95 % interval", help="Wilson interval, in percent, and of how many images."
            ),
            "parameters": st.column_config.NumberColumn("Parameters", format="localized"),
            "seconds": st.column_config.NumberColumn(
                "Trained, s", format="%.0f", width="small", help="Wall time of all epochs."
            ),
            "bytes": st.column_config.NumberColumn(
                "Size", format="bytes", width="small", help="Of the saved model on disk."
            ),
        },
    )


def show_workspace(workspace: Workspace) -> None:
    """One card: what the data is, what is simulated, and the ways in."""
    with st.container(border=True, height="stretch", gap="small"):
        try:
            dataset, counts = workspace.dataset, data.split_counts(workspace)
            refused = len(data.rejected(workspace))
        except CacheError as error:
            st.markdown(f"**{plain(workspace.name)}**")
            show_error(error)
            return
        st.markdown(f"**{plain(workspace.name)}** · {plain(dataset.title)}")
        if dataset.simulated:
            st.badge("Simulated data", icon=":material/science:", color="orange")
        if dataset.label_noise:
            st.badge("Flipped labels", icon=":material/shuffle:", color="orange")
        by_split = ", ".join(f"{count:,} {split}" for split, count in counts.items())
        st.markdown(
            f"{number.plural(sum(counts.values()), 'image')} of "
            f"{number.plural(len(dataset.classes), 'class', 'classes')}: {by_split}. "
            f"{number.count(refused)} rejected."
        )
        st.caption(plain(" ".join(filter(None, (dataset.description, dataset.label_noise)))))
        st.space("stretch")
        with st.container(horizontal=True, gap="small"):
            several = len(workspace.runs()) > 1
            for page, label, icon in (
                ("dataset", "Dataset", ":material/photo_library:"),
                ("training", "Training", ":material/show_chart:"),
                ("errors", "Errors", ":material/rule:"),
                *((("compare", "Compare", ":material/compare_arrows:"),) if several else ()),
            ):
                st.button(
                    label,
                    icon=icon,
                    key=f"open_{page}_{workspace.name}",
                    on_click=selection.go,
                    args=(page,),
                    kwargs={"workspace": workspace.name},
                )


workspaces = data.workspaces()
if not workspaces:
    first_steps()
    st.stop()

runs: list[summary.RunSummary] = []
broken: list[CacheError] = []
readable: list[Workspace] = []
for each in workspaces:
    try:
        runs += summary.summarise(each)
        readable.append(each)
    except CacheError as error:
        broken.append(error)

st.title("Overview", anchor=False)
finding(summary.finding(runs, len(workspaces)))

if any(run.accuracies for run in runs):
    st.plotly_chart(
        summary.accuracy_figure(runs),
        config=figures.CONFIG,
        key="overview_accuracy",
        alt="Accuracy of each run on validation and test images with 95 % intervals",
    )
    simulated = [
        each.name for each in readable if each.artefact("samples").exists and each.dataset.simulated
    ]
    caption = (
        "Share of images whose class was predicted right, in inference mode with the best weights; "
        "lines are 95 % Wilson intervals. Choose between runs by val; test only reports."
    )
    if simulated:
        caption += f" Simulated data: {plain(', '.join(simulated))}."
    st.caption(caption)
if runs:
    show_table()

for failure in broken:
    show_error(failure)
for each in readable:
    states = summary.unfinished(each)
    if states:
        notice(
            f"{plain(each.name)} is not complete",
            summary.unfinished_sentence(states),
            command=each.command,
            icon=":material/hourglass_empty:",
        )

st.header("Workspaces", anchor=False)
with st.grid(3, min_column_width=320):
    for each in readable:
        show_workspace(each)
