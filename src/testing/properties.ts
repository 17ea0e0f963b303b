import fc from 'fast-check';

/**
 * Runs of a property that costs much: `few` in `npm test`, and `PROPERTY_RUNS` times as many in `npm run test:long`, which
 * runs these files once more.
 */
export function runs(few: number): number {
  return few * Number(process.env.PROPERTY_RUNS ?? 1);
}

/**
 * Any character but a lone surrogate, as a unit of `fc.string`. Its own unit `binary` takes 1.6 s and 150 MB to set up in
 * every process.
 */
export const codePoint = fc
  .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));
