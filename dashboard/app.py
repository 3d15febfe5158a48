"""What ``streamlit run dashboard/app.py`` starts: the server, its image routes and its pages."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st
from starlette.formparsers import MultiPartParser

# Streamlit puts only this file's folder on the path; the packages stand one above it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboard import images, points, triage

# An upload is never written to disk, but Starlette would put what is longer than 1 MiB into a
# temporary file. With 0 it never does; server.maxUploadSize bounds what is held.
MultiPartParser.spool_max_size = 0

routes = [*images.routes(), *points.routes(), *triage.routes()]
app = st.App(Path(__file__).resolve().parent / "navigation.py", routes=routes)
