"""Buttons that make a table, and an archive of images, when they are clicked."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import export


def show(
    count: int,
    named: str,
    *,
    key: str,
    name: str,
    table: Callable[[], bytes],
    images: Callable[[], bytes],
    of_table: str | None = None,
    of_images: str | None = None,
) -> None:
    """Draw both buttons.

    Args:
        count: How many images there are.
        named: What they are, as ``found``; may be empty.
        key: Of the page: the keys are ``<key>_csv`` and ``<key>_zip``.
        name: Of the files, without their endings.
        table: Makes the table, as CSV.
        images: Makes the archive, of ``export.MOST_IMAGES`` at the most.
        of_table: What is in the table.
        of_images: What is in the archive.
    """
    named = named and f" {named}"
    st.download_button(
        f"Table of {count:,}{named} (CSV)",
        data=table,
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"{key}_csv",
        icon=":material/table:",
        type="tertiary",
        on_click="ignore",
        disabled=not count,
        help=of_table,
    )
    fit = min(count, export.MOST_IMAGES)
    st.download_button(
        f"Images of {'the first ' * (fit < count)}{fit:,}{named} (ZIP)",
        data=images,
        file_name=f"{name}.zip",
        mime="application/zip",
        key=f"{key}_zip",
        icon=":material/folder_zip:",
        type="tertiary",
        on_click="ignore",
        disabled=not count,
        help=of_images,
    )
