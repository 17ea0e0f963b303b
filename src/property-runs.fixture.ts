/**
 * Runs of a property that costs much: `few` in `npm test`, and `PROPERTY_RUNS` times as many in `npm run test:long`, which
 * runs these files once more.
 */
export function runs(few: number): number {
  return few * Number(process.env.PROPERTY_RUNS ?? 1);
}
