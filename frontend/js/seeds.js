/**
 * The seeds of a comparison as people write them: whole numbers and ranges, such as "0, 2, 5-7". The service reads them
 * with worker/contract/seeds.py; a test keeps the two equal, sentences included.
 */
export const LARGEST_SEED = 2n ** 63n - 1n;
export const MOST_SEEDS = 50;
const EXAMPLE = "0, 2, 5-7";

const AROUND = /^[ \t\r\n\u00a0]+|[ \t\r\n\u00a0]+$/g;
const SEPARATOR = /[ \t\r\n\u00a0]*[,;][ \t\r\n\u00a0]*|[ \t\r\n\u00a0]+/;
/** A hyphen, or the dash into which some programs make it. */
const DASH = /[ \t\r\n\u00a0]*[-\u2013][ \t\r\n\u00a0]*/g;
const PART = /^([0-9]+)(?:-([0-9]+))?$/;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const LONGEST_SHOWN = 40;

class SeedsRefused extends Error {}

/** {seeds, problem}: the seeds in the order in which they are named, or what is wrong with them in a sentence. */
export function parseSeeds(text) {
  try {
    return { seeds: seedsOf(text), problem: null };
  } catch (error) {
    if (error instanceof SeedsRefused) return { seeds: [], problem: error.message };
    throw error;
  }
}

function seedsOf(text) {
  const ranges = partsOf(text).map(rangeOf);
  const count = ranges.reduce((sum, [first, last]) => sum + (last - first + 1n), 0n);
  if (count > MOST_SEEDS) {
    throw new SeedsRefused(`${count} seeds are named and a comparison has at most ${MOST_SEEDS}; name fewer`);
  }
  const seeds = ranges.flatMap(([first, last]) =>
    Array.from({ length: Number(last - first) + 1 }, (_, at) => first + BigInt(at)),
  );
  const twice = seeds.find((seed, index) => seeds.indexOf(seed) < index);
  if (twice !== undefined) throw new SeedsRefused(`seed ${twice} is named twice; leave one out`);
  return seeds.map(exact);
}

function partsOf(text) {
  const parts = text.replace(DASH, "-").replace(AROUND, "").split(SEPARATOR);
  if (parts.length === 1 && parts[0] === "") {
    throw new SeedsRefused(`no seed is named; write whole numbers and ranges, such as ${EXAMPLE}`);
  }
  // Whoever types a list has a comma at its end now and then.
  return parts.at(-1) === "" ? parts.slice(0, -1) : parts;
}

/** The first and the last seed of a part. */
function rangeOf(part) {
  const found = PART.exec(part);
  if (!found) {
    throw new SeedsRefused(
      `seed '${shown(part)}' is neither a whole number of 0 or more nor a range of them; write such as ${EXAMPLE}`,
    );
  }
  const [first, last] = [found[1], found[2] ?? found[1]].map(seedOf);
  if (last < first) {
    throw new SeedsRefused(`the range ${first}-${last} of seeds ends before it begins; write ${last}-${first}`);
  }
  return [first, last];
}

function seedOf(digits) {
  const seed = BigInt(digits);
  if (seed > LARGEST_SEED) {
    throw new SeedsRefused(`seed ${shown(digits)} exceeds ${LARGEST_SEED}; give that or less`);
  }
  return seed;
}

/** A seed may exceed what a JavaScript number holds exactly; such a one stays text, which the service reads alike. */
function exact(seed) {
  return seed <= Number.MAX_SAFE_INTEGER ? Number(seed) : String(seed);
}

/** Not longer than a line, and without what would not be seen or would reorder the rest. */
function shown(text) {
  const signs = [...text.replace(UNPRINTABLE, "\ufffd")];
  return signs.length <= LONGEST_SHOWN ? signs.join("") : `${signs.slice(0, LONGEST_SHOWN - 3).join("")}...`;
}
