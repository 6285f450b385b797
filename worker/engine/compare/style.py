"""How the report looks. It stands in the page itself, which fetches nothing."""

STYLE = """
:root { color-scheme: light dark; --bg: #fff; --text: #17181d; --muted: #5c5f6c; --line: #e2e3e9; --soft: #f6f6f9;
  --baseline: #2f6fb7; --sd: #c4551c; }
@media screen and (prefers-color-scheme: dark) { :root { --bg: #0f1014; --text: #eceef3; --muted: #a0a4b0;
  --line: #2a2d35; --soft: #181a20; --baseline: #6fa8e8; --sd: #f08c55; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { max-width: 1120px; margin: 0 auto; padding: 28px 20px 48px; background: var(--bg); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0; font-size: 25px; line-height: 1.25; }
h2 { margin: 34px 0 10px; font-size: 18px; }
p, figure, dl, dd, ul { margin: 0; }
ul { padding-left: 20px; }
.muted { color: var(--muted); }
.headline { margin: 16px 0; font-size: 17px; font-weight: 600; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 12px; }
.tiles div { padding: 12px 14px; border: 1px solid var(--line); border-radius: 8px; }
.tiles dt { color: var(--muted); font-size: 13px; }
.tiles dd { font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles small { display: block; color: var(--muted); font-size: 12.5px; font-weight: 400; }
.scroller { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { color: var(--muted); font-size: 13px; font-weight: 500; }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 24px; }
figcaption { margin-bottom: 4px; font-size: 14px; font-weight: 600; }
svg { display: block; width: 100%; max-width: 560px; height: auto; overflow: visible; }
svg text { fill: var(--muted); font-size: 11px; }
svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
svg line { stroke: var(--line); }
svg path { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; stroke-opacity: 0.85; }
path.baseline { stroke: var(--baseline); }
path.sd { stroke: var(--sd); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin-bottom: 12px; font-size: 14px; }
.legend i { display: inline-block; width: 18px; height: 3px; margin-right: 7px; vertical-align: 4px; }
i.baseline { background: var(--baseline); }
i.sd { background: var(--sd); }
.settings { columns: 3 260px; column-gap: 32px; font-size: 14px; }
.settings div { display: flex; justify-content: space-between; gap: 12px; padding: 4px 0; break-inside: avoid;
  border-bottom: 1px solid var(--line); }
.settings dt { color: var(--muted); }
.settings dd { text-align: right; overflow-wrap: anywhere; }
@media print { body { max-width: none; padding: 0; } figure, tr { break-inside: avoid; } }
"""
