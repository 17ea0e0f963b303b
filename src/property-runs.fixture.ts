/**
 * Runs of a property that costs much: `few` in `npm test`, and `VOLLEY_RUNS` times as many in `npm run test:long`, which
 * runs these files once more.
 */
export function runs(few: number): number {
  return few * Number(process.env.VOLLEY_RUNS ?? 1);
}
