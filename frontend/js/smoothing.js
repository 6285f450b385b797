/**
 * Exponential moving average without the bias towards zero at the start (as TensorBoard smooths). `weight` in [0, 1);
 * gaps (null) stay gaps and do not enter the average.
 */
export function smooth(values, weight) {
  if (!weight) return values;
  let average = 0;
  let seen = 0;
  return values.map((value) => {
    if (value === null || value === undefined) return null;
    seen += 1;
    average = average * weight + (1 - weight) * value;
    return average / (1 - weight ** seen);
  });
}
