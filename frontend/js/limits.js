/** What the service takes at once; a test keeps these equal to its own. */
export const MOST_COMPARED = 100;
export const LONGEST_SEARCH = 200;
export const LONGEST_NAME = 200;
export const FEWEST_ARMS = 2;
export const MOST_ARMS = 8;
/** Of a plan that says no other. */
export const USUAL_MOST_SEEDS = 30;
export const USUAL_CONFIDENCE = 0.95;

export function tooManyToCompare(count) {
  return `${count} runs are selected and at most ${MOST_COMPARED} can be compared; leave out ${count - MOST_COMPARED} or more.`;
}
