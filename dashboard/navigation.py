"""The script behind every page: the menu, the selectors in the sidebar, and then the page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import collector, selection
from dashboard.pages import pages
from dashboard.widgets.messages import told

# An icon from Streamlit's own set would be fetched from a font server.
ICON = Path(__file__).parent / "icon.svg"

st.set_page_config(page_title="Centauro", page_icon=ICON, layout="wide", initial_sidebar_state=232)

page = st.navigation(list(pages().values()))

with st.sidebar, told():
    selection.selectors()

with told():
    page.run()

collector.spare_modules()
