/** So many places are drawn of one arm; its seeds may have reported at different ones. */
const MOST_PLACES = 2000;

/**
 * The mean over the seeds of one arm with the lowest and the highest of them, at the places that they reported at:
 * {x, values, low, high, counts}; `counts` has how many seeds are in it. `all` has one {x, values} of each seed, x ascending. Between two reports a seed's value lies
 * on the line between them; beyond its last, at a gap and before its first it does not count.
 */
export function meanOf(all) {
  const seeds = all.filter((series) => series.x.length);
  if (!seeds.length) return null;
  const x = placesOf(seeds);
  const columns = seeds.map((series) => valuesAt(series, x));
  const rows = x.map((_, at) => columns.map((column) => column[at]).filter((value) => value !== null));
  const over = (fold) => rows.map((row) => (row.length ? fold(row) : null));
  return {
    x,
    values: over(meanWithin),
    low: over((row) => Math.min(...row)),
    high: over((row) => Math.max(...row)),
    counts: rows.map((row) => row.length),
  };
}

/** Not beyond the values themselves by a last digit, which would stretch the axis of a chart where all are alike. */
function meanWithin(row) {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
  return Math.min(Math.max(...row), Math.max(Math.min(...row), mean));
}

/** All places of all seeds in their order, thinned evenly where they are too many; the last one stays. */
function placesOf(seeds) {
  const places = [...new Set(seeds.flatMap(({ x }) => x))].sort((one, other) => one - other);
  const step = Math.ceil(places.length / MOST_PLACES);
  return step === 1 ? places : places.filter((_, at) => (places.length - 1 - at) % step === 0);
}

function valuesAt({ x, values }, places) {
  let at = 0;
  return places.map((place) => {
    while (at < x.length && x[at] < place) at += 1;
    if (at === x.length || (at === 0 && x[0] > place)) return null;
    const after = values[at] ?? null;
    if (x[at] === place) return after;
    const before = values[at - 1] ?? null;
    if (before === null || after === null) return null;
    return before + ((after - before) * (place - x[at - 1])) / (x[at] - x[at - 1]);
  });
}
