"""How far to trust the search: class coincidence with chance, and the index against the truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import (
    coincidence,
    coincidence_figures,
    conditions,
    embedding_data,
    embedding_facts,
    retrieval_tables,
    selection,
)
from dashboard.coincidence import ANNOY, ASKED, EXACT, VARIANTS
from dashboard.images import thumbnail_url, view_shown
from dashboard.points import SHARP
from dashboard.widgets import figures
from dashboard.widgets.gallery import Tile, gallery, page_of
from dashboard.widgets.messages import finding, notice, plain
from pipelines.methods import number
from pipelines.methods.colours import POSITIVE_COLOUR, class_colours, run_colours

PAIR = "pair"
AVERAGE = "average"
AT = "at"
TAB = "quality"
CLASSES = "curves_of"

AVERAGES = {"macro": "over classes", "overall": "over queries"}
USUAL = 10
PER_PAGE = 30
MOST_CURVES = 8
MOST_BANDS = 3


def show_curves() -> None:
    """The embedding's own curves: exact, without near-duplicates, and Annoy's."""
    clean = document["pairs"][pair]["clean"]["affected"]
    asked = len(coincidence.answers(embedding, pair, ANNOY).queries)
    # Where the index was asked all queries, both exact curves are one.
    drawn = [each for each in VARIANTS if each != ASKED or asked < len(found.queries)]
    grid = st.grid(5, min_column_width=170, gap="medium")
    with grid.cell(column_span=3):
        curves = {
            VARIANTS[variant]: coincidence.curve(embedding, pair, variant, macro)
            for variant in drawn
        }
        names = list(curves)
        st.plotly_chart(
            coincidence_figures.curves_figure(
                curves,
                dict.fromkeys(names, POSITIVE_COLOUR),
                chance,
                dashes=dict(zip(names, coincidence_figures.DASHES, strict=False)),
                bands=names[:1],
                at=at,
            ),
            config=figures.CONFIG,
            key="retrieval_curves",
            alt="Class coincidence over the number of neighbours, with chance",
        )
        st.caption(
            f"{described} Shaded: 95 % bootstrap interval of the exact answer. Without "
            f"near-duplicates: neighbours that are copies of the query (pixel correlation from "
            f"{document['near_duplicates']['correlation']:g}) or of its group are left out and "
            f"replaced; {number.plural(clean, 'query', 'queries')} had some."
        )
    with grid.cell(column_span=2):
        st.table(
            retrieval_tables.variants_table(embedding, pair, macro, ranks),
            border="horizontal",
            alt="Class coincidence at several numbers of neighbours",
        )
        st.markdown(retrieval_tables.separation_text(document))
    st.markdown("**What the index loses**, on the same queries")
    st.table(
        retrieval_tables.index_table(embedding, pair, macro, ranks),
        border="horizontal",
        width="content",
        alt="Class coincidence by exact search and by the index, on the same queries",
    )
    part = "all" if asked == of["queries"] else f"{asked:,}, drawn at random, of the"
    st.caption(
        f"Asked: {part} {number.plural(of['queries'], 'query', 'queries')}. The difference is of "
        "each query's two answers, averaged in the same way, with its 95 % bootstrap interval."
    )


def show_classes() -> None:
    """Each class's own class coincidence: over k, and at the chosen k."""
    curves = dict(zip(classes, coincidence.class_curves(embedding, pair), strict=True))
    level = dict(zip(classes, document["pairs"][pair]["chance"]["classes"], strict=True))
    rates = {name: coincidence_figures.rate_at(curve, at) for name, curve in curves.items()}
    # The worst on top, where it is looked for.
    asked = sorted((name for name in classes if rates[name].n), key=lambda each: rates[each].value)
    if not asked:
        notice("No queries", f"No class has queries with {at} neighbours.")
        return
    colours = class_colours(classes)
    conditions.of_options(CLASSES, asked)
    chosen = st.multiselect(
        "Curves of",
        asked,
        key=CLASSES,
        bind="query-params",
        placeholder="All classes" if len(asked) <= MOST_CURVES else f"The lowest {MOST_CURVES}",
        width=480,
    )
    shown = [name for name in asked if name in chosen] or asked[:MOST_CURVES]
    grid = st.grid(5, min_column_width=170, gap="medium")
    with grid.cell(column_span=3):
        st.plotly_chart(
            coincidence_figures.curves_figure(
                {name: curves[name] for name in shown},
                colours,
                {name: level[name] for name in shown},
                bands=shown if len(shown) <= MOST_BANDS else (),
                at=at,
            ),
            config=figures.CONFIG,
            key="retrieval_class_curves",
            alt="Class coincidence of single classes over the number of neighbours",
        )
    with grid.cell(column_span=2):
        st.plotly_chart(
            coincidence_figures.class_figure({name: rates[name] for name in asked}, level, colours),
            config=figures.CONFIG,
            key="retrieval_classes",
            alt=f"Class coincidence at {at} of each class, the lowest first",
        )
    st.caption(
        f"{counted} Curves: {len(shown)} of {number.plural(len(asked), 'class', 'classes')}, "
        "chance as a dotted line of the same colour. Points: all of them at "
        f"{number.plural(at, 'neighbour')}, the lowest first, with 95 % bootstrap intervals."
    )


def show_others() -> None:
    """All embeddings of the run on the same queries, each against the selected one."""
    others = [
        each for each in embedding_data.made(run, "retrieval") if pair in coincidence.pairs_of(each)
    ]
    colours = run_colours([each.title for each in others])
    curves = {each.title: coincidence.curve(each, pair, EXACT, macro) for each in others}
    st.plotly_chart(
        coincidence_figures.curves_figure(curves, colours, chance, bands=list(curves), at=at),
        config=figures.CONFIG,
        key="retrieval_embeddings",
        alt="Class coincidence of all embeddings of the run",
    )
    st.dataframe(
        retrieval_tables.against_table(embedding, others, pair, at, macro),
        hide_index=True,
        key="retrieval_against",
        placeholder=number.UNKNOWN,
        alt="Embeddings compared on the same queries",
    )
    st.caption(
        f"{described} Difference: {plain(embedding.title)} less the other on the same queries, "
        "averaged in the same way, with a bootstrap interval; p: sign-flip permutation test of "
        "this difference."
    )


def show_worst() -> None:
    """The queries whose neighbours bear their label least."""
    known = np.flatnonzero(~np.isnan(found.shares[:, at - 1]))
    shares = found.shares[known, at - 1]
    order = np.argsort(shares, kind="stable")
    page = page_of(order.tolist(), key="worst_page", per_page=PER_PAGE)
    rows = found.queries[known[list(page.items)]]
    shown = table.iloc[rows]
    tiles = [
        tile(row, float(shares[item]), at)
        for item, (_, row) in zip(page.items, shown.iterrows(), strict=True)
    ]
    none = int((shares == 0).sum())
    st.markdown(
        f"**{none:,} of {number.plural(len(shares), 'query', 'queries')}** found no image of their "
        f"own label among the nearest {at}."
    )
    event = gallery(
        tiles,
        key="retrieval_worst",
        label="Queries, the worst first; a click shows the neighbours",
        empty="There are no queries.",
        tile_size="small",
        pixelated=bool(len(shown)) and int(shown[["width", "height"]].to_numpy().max()) <= SHARP,
        selectable=False,
    )
    st.caption(
        f"{counted} Shown: {page.caption}, the worst first. A click on one shows its neighbours."
    )
    if event.opened:
        selection.go("similarity", image=event.opened)


def tile(row: pd.Series, share: float, k: int) -> Tile:
    """A query and how many of its neighbours bear its label."""
    lines = [f"true {row['label']}"]
    if "predicted" in row.index:
        lines.append(f"predicted {row['predicted']}")
    return Tile(
        id=row["sample_id"],
        src=thumbnail_url(workspace, row["sample_id"], view_shown(run)),
        alt=f"{row['split']} image of class {row['label']}: {share:.0%} of its neighbours match",
        title=f"{round(share * k)} of {k}",
        lines=tuple(lines),
    )


def show_index() -> None:
    """Annoy against the exact neighbours."""
    about = embedding_data.document(embedding, "index")
    st.markdown(retrieval_tables.index_text(about))
    with st.grid(2, min_column_width=360):
        st.plotly_chart(
            coincidence_figures.index_figure(about, "recall@10"),
            config=figures.CONFIG,
            key="retrieval_recall",
            alt="Recall of the index by search_k",
        )
        st.plotly_chart(
            coincidence_figures.index_figure(about, "ms"),
            config=figures.CONFIG,
            key="retrieval_ms",
            alt="Milliseconds a query by search_k, and those of an exact one",
        )
    st.caption(retrieval_tables.index_caption(about))


def show_protocol() -> None:
    """The studies' own way of counting, named as what it is."""
    if not document["protocol"]:
        notice("Not counted", "There are too few test images for the studies' protocol.")
        return
    st.markdown(
        "The published figures were counted in another way: 1,000 queries drawn with replacement "
        "from random batches of test images, neighbours looked for inside the batch, and **the "
        "query counted among its own neighbours**. These are the same figures of this embedding, "
        "to compare with those only; they flatter the search."
    )
    st.table(
        retrieval_tables.protocol_table(document["protocol"]),
        border="horizontal",
        width="content",
        alt="Class coincidence by the studies' protocol",
    )


SECTIONS: dict[str, Callable[[], None]] = {
    "Over k": show_curves,
    "By class": show_classes,
    "Embeddings": show_others,
    "Worst queries": show_worst,
    "Index": show_index,
    "As the studies counted": show_protocol,
}

st.title("Retrieval quality", anchor=False)
workspace = selection.workspace()
run = selection.run()
headline = st.container()
with st.container(horizontal=True, vertical_alignment="bottom"):
    embedding = selection.choose_embedding(run)
    document = embedding_data.document(embedding, "retrieval")
    pairs = coincidence.pairs_of(embedding)
    selection.of_workspace(PAIR, pairs[0])
    if st.session_state.get(PAIR, pairs[0]) not in pairs:
        st.session_state[PAIR] = pairs[0]
    pair = st.selectbox(
        "Queries and gallery",
        pairs,
        key=PAIR,
        bind="query-params",
        format_func=coincidence.in_words,
        width=170,
        help="Whose neighbours are looked for where. A query is never its own neighbour. Further "
        "pairs of splits are measured where the recipe asks for them: pairs: [train in train] of "
        "the embedding.",
    )
    average = st.segmented_control(
        "Average",
        list(AVERAGES),
        default="macro",
        required=True,
        key=AVERAGE,
        bind="query-params",
        format_func=AVERAGES.__getitem__,
    )
    with headline:
        found = coincidence.answers(embedding, pair)
    ranks = coincidence.ranks_of(found)
    usual = USUAL if USUAL in ranks else ranks[-1]
    selection.of_workspace(AT, usual)
    if st.session_state.get(AT, usual) not in ranks:
        st.session_state[AT] = usual
    at: int = (
        st.segmented_control("At k", ranks, required=True, key=AT, bind="query-params") or usual
    )
macro = average != "overall"
table = embedding_data.table(run)
classes = list(workspace.dataset.classes)
chance = float(document["pairs"][pair]["chance"]["macro" if macro else "overall"])
of = document["pairs"][pair]
counted = (
    f"{number.count(of['queries'])} queries in {number.plural(of['gallery'], 'image')}"
    + (
        f", of which {len(found.queries):,} at random are counted"
        if len(found.queries) < found.total
        else ""
    )
    + "."
    + (
        f" Intervals resample the {found.groups:,} groups that the queries are of, each as a whole."
        if found.groups
        else ""
    )
)
described = f"{counted} Averaged {AVERAGES['macro' if macro else 'overall']}."
with headline:
    finding(retrieval_tables.finding(embedding, pair, at, macro, chance))
    embedding_facts.show_origin(embedding)

bodies = st.tabs(list(SECTIONS), key=TAB, bind="query-params")
for body, section in zip(bodies, SECTIONS.values(), strict=True):
    if body.open:
        with body:
            section()
