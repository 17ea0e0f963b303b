/** Stands where a figure is not known. */
export const NONE = '–';

const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** A whole number with separators: `12,345`. */
export function formatCount(value: number | null): string {
  return value === null ? NONE : WHOLE.format(value);
}

/** A measure, to three digits or to the unit: `0.012`, `1.23`, `12.3`, `1,234`. */
export function formatMeasure(value: number | null): string {
  if (value === null) return NONE;
  const size = Math.abs(value);
  if (size >= 99.95 || size === 0) return WHOLE.format(value);
  if (size >= 9.995) return value.toFixed(1);
  return value.toFixed(size >= 0.9995 ? 2 : 3);
}

/** Bytes in the largest unit that leaves a digit before the point, 1 KB being 1,000 bytes: `1.02 MB`. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null) return NONE;
  let place = 0;
  let value = bytes;
  while (value >= 999.5 && place < UNITS.length - 1) {
    value /= 1_000;
    place += 1;
  }
  return `${place === 0 ? WHOLE.format(value) : formatMeasure(value)} ${UNITS[place]}`;
}

/** `ROOM_BUSY 12, BUSY 1`; '' for none. */
export function formatCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([key, count]) => `${key} ${formatCount(count)}`)
    .join(', ');
}

/** `1 room`, `20 rooms`. */
export function formatPlural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
