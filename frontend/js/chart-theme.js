/** What a token's colour is at present; a custom property itself may still be an unresolved light-dark(). */
function resolve(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

let cached = null;
document.addEventListener("resdrop:theme", () => (cached = null), { capture: true });

/** The parts of a Plotly layout that depend on the theme, taken from the page's own tokens. */
export function chartTheme() {
  cached ??= build();
  return cached;
}

function build() {
  const muted = resolve("--text-muted");
  const grid = resolve("--chart-grid");
  const font = { family: getComputedStyle(document.body).fontFamily, size: 11, color: muted };
  return {
    layout: {
      font,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 46, r: 12, t: 8, b: 38 },
      showlegend: false,
      hovermode: "x unified",
      dragmode: "zoom",
      hoverlabel: {
        // What tells runs apart is at the end of their names.
        namelength: -1,
        bgcolor: resolve("--surface-raised"),
        bordercolor: resolve("--border-strong"),
        font: { ...font, size: 12, color: resolve("--text") },
      },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: muted, activecolor: resolve("--accent") },
    },
    axis: { gridcolor: grid, zeroline: false, linecolor: grid, automargin: false, nticks: 6, tickcolor: grid },
    xaxis: { showgrid: false, showline: true, ticks: "outside", ticklen: 4 },
    axisTitle: { font: { ...font, size: 11 }, standoff: 6 },
  };
}
