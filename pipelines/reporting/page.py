"""The page around what is told: head, look, contents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipelines.reporting.markup import Html, tag

POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What browsers may load for the page: nothing but what is in it."""

# The colours are those of .streamlit/config.toml.
STYLE: Final = Html("""
:root { color-scheme: light dark;
  --page: #FFFFFF; --soft: #F3F5F7; --text: #1B2128; --faint: #48525E; --line: #D5DAE0;
  --link: #0B63A5; --amount: #0B63A5; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14181D; --soft: #1F252C; --text: #E6EAEE; --faint: #A9B4BF; --line: #38414B;
  --link: #7DB9EC; --amount: #7DB9EC; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
  overflow-wrap: break-word; }
h1, h2, h3, h4 { line-height: 1.25; font-weight: 600; margin: 2rem 0 .6rem; }
h1 { font-size: 1.6rem; margin-top: 0; } h2 { font-size: 1.3rem; padding-top: 1rem;
  border-top: 1px solid var(--line); } h3 { font-size: 1.1rem; } h4 { font-size: 1rem; }
p { max-width: 48rem; margin: .5rem 0; } a { color: var(--link); }
.finding { font-size: 1.15rem; } .faint, caption, figcaption, dt { color: var(--faint); }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
.note { border: 1px solid var(--line); border-left: 4px solid #E69F00; border-radius: 4px;
  padding: .4rem .8rem; margin: .8rem 0; background: var(--soft); }
pre { overflow-x: auto; background: var(--soft); padding: .5rem .7rem; border-radius: 4px;
  font-size: .87rem; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .93rem; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .22rem .8rem .22rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; font-weight: 400; }
thead th { color: var(--faint); } .figure { text-align: right; white-space: nowrap; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr));
  gap: .5rem 1.2rem; }
dd { margin: 0; }
.side { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
.side > * { flex: 0 1 auto; max-width: 100%; margin: 0; }
.side figcaption { max-width: 24rem; }
svg { max-width: 100%; height: auto; display: block; }
svg text { fill: var(--text); font: 12px system-ui, sans-serif; } svg .faint { fill: var(--faint); }
svg .rule { stroke: var(--line); }
.swatch { display: inline-block; width: .75em; height: .75em; border-radius: 2px;
  margin-right: .45em; border: 1px solid var(--line); }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr));
  gap: .9rem; padding: 0; margin: .8rem 0; list-style: none; }
.gallery.broad { grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; } figcaption { font-size: .85rem; line-height: 1.35; }
.gallery img { width: 100%; height: 8.5rem; object-fit: contain; background: var(--soft);
  border-radius: 4px; }
.gallery.broad .maps { display: flex; gap: .4rem; } .gallery.broad .maps > * { flex: 1 1 0;
  min-width: 0; }
.scale { display: flex; gap: .4rem; align-items: center; margin: .2rem 0; }
.gallery .scale img { flex: 1 1 0; min-width: 0; width: 0; height: .6rem; object-fit: fill;
  border-radius: 0; }
img.small { image-rendering: pixelated; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--link); }
@media print {
  :root { --page: #FFFFFF; --soft: #F3F5F7; --text: #000000; --faint: #48525E; --line: #D5DAE0;
    --link: #000000; --amount: #0B63A5; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  * { print-color-adjust: exact; }
  nav, details:not([open]) { display: none; } .wide, pre { overflow: visible; }
  pre { white-space: pre-wrap; } .figure { white-space: normal; }
  h2, h3, h4 { break-after: avoid; } figure, tr, svg, .note { break-inside: avoid; }
}
""")


def page(title: str, contents: Sequence[tuple[str, str]], *children: Html) -> str:
    """The whole document.

    Args:
        title: For the tab of the browser.
        contents: Heading and anchor of each section.
        *children: What is told, its ``h1`` first.
    """
    links = [tag("li", tag("a", text, href=f"#{anchor}")) for text, anchor in contents]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", STYLE),
    )
    first, *rest = children
    nav = tag("nav", tag("ul", *links), aria_label="Contents")
    body = tag("body", tag("header", first, nav), tag("main", *rest))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"
