"""How the report looks. It stands in the page itself, which fetches nothing."""

from __future__ import annotations

import base64
import hashlib

#: Of the arms in their order, on white and on black; each keeps 3:1 against it.
_LIGHT = ("#2f6fb7", "#c4551c", "#138573", "#a33c99", "#8a6d0b", "#5a4bd0", "#b93a4e", "#0b7f98")
_DARK = ("#6fa8e8", "#f08c55", "#4cc2a8", "#d98ad0", "#cdb04a", "#a79bf5", "#ee8a98", "#54bfd6")


def colour_class(arm: int) -> str:
    """The class of whatever belongs to the arm at this place."""
    return f"arm-{arm % len(_LIGHT)}"


def _variables(colours: tuple[str, ...]) -> str:
    return " ".join(f"--{colour_class(arm)}: {colour};" for arm, colour in enumerate(colours))


def _rules(selector: str, name: str) -> str:
    classes = [colour_class(arm) for arm in range(len(_LIGHT))]
    return "\n".join(f"{selector}.{one} {{ {name}: var(--{one}); }}" for one in classes)


_TEMPLATE = """
:root {
  color-scheme: light;
  --bg: #ffffff; --text: #17181d; --muted: #5c5f6c; --line: #e2e3e9; --soft: #f6f6f9;
  --warn: #855307; --warn-soft: #fcf1dc; --good: #1d7a46; --bad: #b3261e; --accent: #4f46c6;
  LIGHT
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --bg: #0f1014; --text: #eceef3; --muted: #a0a4b0; --line: #2a2d35; --soft: #181a20;
    --warn: #efb959; --warn-soft: #2e2412; --good: #5fcf95; --bad: #ff8a80; --accent: #a79bf5;
    DARK
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  max-width: 1120px; margin: 0 auto; padding: 32px 20px 48px; background: var(--bg); color: var(--text);
  font: 15px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
h1, h2, h3, p, figure, dl, dd, ul { margin: 0; }
ul { padding-left: 20px; }
h1 { font-size: 26px; line-height: 1.25; letter-spacing: -0.015em; overflow-wrap: anywhere; }
h2 { margin: 36px 0 12px; font-size: 18px; }
h3 { margin: 16px 0 6px; font-size: 14px; }
code { font-size: 0.88em; }
.muted, small { color: var(--muted); }
small { font-size: 12.5px; }
.note { margin-top: 16px; padding: 10px 14px; border-left: 3px solid var(--line); background: var(--soft); }
.note.warn { border-color: var(--warn); background: var(--warn-soft); }
.sentence { margin: 12px 0; font-size: 17px; font-weight: 550; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 12px; margin: 16px 0; }
.tiles div { padding: 12px 14px; border: 1px solid var(--line); border-radius: 8px; }
.tiles dt { color: var(--muted); font-size: 13px; }
.tiles dd { font-size: 22px; font-weight: 600; }
.tiles dd small { display: block; font-weight: 400; }
.scroller { overflow-x: auto; margin: 14px 0; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: baseline; }
th { font-weight: 500; white-space: nowrap; }
td { white-space: nowrap; }
thead th { color: var(--muted); font-size: 13px; }
.facts { columns: 3 260px; column-gap: 32px; font-size: 14px; }
.facts div {
  display: flex; justify-content: space-between; gap: 12px; padding: 4px 0; border-bottom: 1px solid var(--line);
  break-inside: avoid;
}
.facts dt { color: var(--muted); }
.facts dd { text-align: right; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 24px; }
figcaption { margin-bottom: 4px; font-size: 14px; font-weight: 600; }
svg { display: block; width: 100%; max-width: 560px; height: auto; overflow: visible; }
svg text { fill: var(--muted); font-size: 11px; }
svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--line); }
svg path { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; stroke-opacity: 0.85; }
STROKES
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin-bottom: 12px; font-size: 14px; }
.mark { display: inline-block; width: 18px; height: 3px; margin-right: 7px; border-radius: 2px; vertical-align: 4px; }
MARKS
.difference .name { fill: var(--text); font-weight: 600; }
.difference .zero { stroke: var(--muted); }
.difference .margin { stroke: var(--bad); stroke-dasharray: 4 3; }
.difference .interval { stroke: var(--accent); stroke-width: 2.5; }
.difference .mean { stroke: var(--accent); stroke-width: 4; }
.difference circle { fill: var(--muted); stroke: var(--bg); }
.difference .better, .difference .not_inferior { fill: var(--good); }
.difference .worse, .difference .inferior { fill: var(--bad); }
footer { margin-top: 40px; color: var(--muted); font-size: 13px; }
@media print {
  @page { margin: 14mm; }
  body { max-width: none; padding: 0; font-size: 11pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { break-after: avoid; }
  figure, .tiles div, tr { break-inside: avoid; }
  .charts { grid-template-columns: 1fr 1fr; }
  .scroller { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding-right: 8px; white-space: normal; }
}
"""
STYLE = (
    _TEMPLATE.replace("LIGHT", _variables(_LIGHT))
    .replace("DARK", _variables(_DARK))
    .replace("STROKES", _rules("path", "stroke"))
    .replace("MARKS", _rules(".mark", "background"))
)

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

#: Nothing is fetched and no script runs, in the service's own page as in the file that was saved of it.
CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"
