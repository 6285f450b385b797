import { armName } from "./run-words.js";

/** Names up to so many characters stand whole in cards, legends and the heads of tables. */
const LONGEST_SHOWN = 34;
const LEFT_OUT = "…";
const WORDS = /[^\s·_/,-]*[\s·_/,-]+|[^\s·_/,-]+/g;

/** "Baseline · seed 0" */
export const pairLabel = (arm, seed) => `${armName(arm)} · seed ${seed}`;

/**
 * What tells each of `runs` from the others that it is shown with, by id: within one comparison its arm and seed, else
 * its name, shortened where they are alike. Of runs with one name the ids are told besides.
 */
export function labelsOf(runs) {
  const isPaired = runs.every((run) => run.arm && run.comparison_id === runs[0].comparison_id);
  if (isPaired) return new Map(runs.map((run) => [run.id, pairLabel(run.arm, run.config.seed)]));
  const names = runs.map((run) => run.name);
  const shown = shortened(names);
  const isAlone = (name) => names.indexOf(name) === names.lastIndexOf(name);
  return new Map(
    runs.map(({ id, name }) => [id, isAlone(name) ? shown.get(name) : `${shown.get(name)} · ${id}`]),
  );
}

/** Short forms of names, by name, of which no two are the same: what all of them begin and end with goes first. */
export function shortened(names) {
  const distinct = [...new Set(names)];
  const words = distinct.map((name) => name.match(WORDS) ?? [name]);
  const isLong = (texts) => texts.some((text) => [...text].length > LONGEST_SHOWN);
  let shown = distinct;
  if (isLong(shown)) {
    const begin = sharedAtBegin(words);
    shown = textsOf(words, begin, 0);
    if (isLong(shown)) shown = textsOf(words, begin, sharedAtEnd(words, begin));
  }
  const cut = cutApart(shown);
  return new Map(distinct.map((name, index) => [name, cut[index]]));
}

/** With how many words all begin; each keeps one. */
function sharedAtBegin(all) {
  const most = all.length > 1 ? Math.min(...all.map((words) => words.length)) - 1 : 0;
  let count = 0;
  while (count < most && all.every((words) => words[count] === all[0][count])) count += 1;
  return count;
}

function sharedAtEnd(all, begin) {
  return sharedAtBegin(all.map((words) => words.slice(begin).reverse()));
}

function textsOf(all, begin, end) {
  return all.map((words) => {
    const kept = words.slice(begin, words.length - end).join("");
    return `${begin ? LEFT_OUT : ""}${kept}${end ? LEFT_OUT : ""}`;
  });
}

/** Cut in the middle to the length that is shown, or to as much more as keeps them apart. */
function cutApart(texts) {
  const longest = Math.max(...texts.map((text) => [...text].length));
  for (let length = LONGEST_SHOWN; length < longest; length += 8) {
    const cut = texts.map((text) => cutInside(text, length));
    if (new Set(cut).size === texts.length) return cut;
  }
  return texts;
}

function cutInside(text, length) {
  const signs = [...text];
  if (signs.length <= length) return text;
  const head = Math.ceil((length - 1) / 2);
  return signs.slice(0, head).join("") + LEFT_OUT + signs.slice(signs.length - (length - 1 - head)).join("");
}
