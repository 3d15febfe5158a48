"""The error sheet: one image of a run on one page, to link to and to print."""

from __future__ import annotations

import streamlit as st

from dashboard import data, embedding_data, error_sheet, narrowing, opened, selection
from dashboard.images import view_shown
from dashboard.widgets.messages import finding, notice, plain

st.html(error_sheet.STYLE)
st.title("Error sheet", anchor=False)
workspace = selection.workspace()
run = selection.run()
named = selection.image()
if named is None:
    notice("No image named", "An error sheet is of one image: open one, and choose Error sheet.")
    st.stop()
data.predictions(run)
table = embedding_data.table(run)
rows = embedding_data.rows_of(workspace, [named])
if not len(rows):
    notice(
        "No such image",
        f"The link names an image '{named}' that the workspace '{workspace.name}' does not have. "
        "It may belong to another workspace, or the samples were made anew.",
        icon=":material/search_off:",
    )
    st.stop()
row = int(rows[0])
sample = table.iloc[row]
finding(error_sheet.headline(sample))
st.caption(
    f"{plain(workspace.dataset.title)}, workspace {plain(workspace.name)}, run {plain(run.name)}"
)
error_sheet.show_ways(run, sample)
view = narrowing.choose_channel(workspace.dataset.views, [view_shown(run)])
with st.grid(3, min_column_width=260, gap="medium"):
    with st.container():
        error_sheet.show_picture(run, sample, view)
    with st.container():
        opened.answer(workspace.dataset, sample)
    with st.container():
        st.table(
            opened.facts_table(sample), border="horizontal", hide_header=True, alt="What is known"
        )
near = error_sheet.show_nearest(run, table, row)
with st.grid(2, min_column_width=300, gap="medium"):
    with st.container():
        error_sheet.show_map(run, sample, view)
    with st.container():
        error_sheet.show_label(run, sample)
        error_sheet.show_flags(run, table, row, near)
for said in (workspace.dataset.simulated, workspace.dataset.label_noise):
    if said:
        st.caption(plain(said))
st.caption("Link to this sheet")
st.code(opened.own_link("sheet"), language=None, wrap_lines=True)
