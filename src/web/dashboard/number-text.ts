/** How values are written on the page, in the reader's own way of writing numbers. */

/** What a value counts. `rate` is a second, `share` 1 for a whole core. */
export type Unit = 'count' | 'rate' | 'bytes' | 'byteRate' | 'ms' | 'share';

const WHOLE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const SHORT = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const MINUTES = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
const MINUTE = new Intl.DateTimeFormat(undefined, MINUTES);
const SECOND = new Intl.DateTimeFormat(undefined, { ...MINUTES, second: '2-digit' });

const BYTE_UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/** A whole number, written out. */
export function writeCount(value: number): string {
  return WHOLE.format(value);
}

/** A value with its unit. */
export function writeValue(value: number, unit: Unit): string {
  if (unit === 'bytes') return writeBytes(value);
  if (unit === 'byteRate') return `${writeBytes(value)}/s`;
  if (unit === 'ms') return writeMs(value);
  if (unit === 'share') return `${FINE.format(value * 100)} %`;
  const text = value < 10 ? FINE.format(value) : WHOLE.format(value);
  return unit === 'rate' ? `${text}/s` : text;
}

/** A value for an axis, as short as can be. */
export function writeTick(value: number, unit: Unit): string {
  if (unit === 'bytes' || unit === 'byteRate') return writeBytes(value);
  if (unit === 'ms') return writeMs(value);
  if (unit === 'share') return `${FINE.format(value * 100)} %`;
  return SHORT.format(value);
}

/** The time of day of a Unix time in ms, to the second. */
export function writeTime(at: number): string {
  return SECOND.format(at);
}

/** Times for an axis: with seconds only where two are less than a minute apart. */
export function writeTimes(times: readonly number[]): string[] {
  const [first = 0, second = Number.POSITIVE_INFINITY] = times;
  return times.map((at) => (second - first < 60_000 ? SECOND : MINUTE).format(at));
}

/** A time span in words: "0.4 s", "12 s", "3 min". */
export function writeSpan(ms: number): string {
  if (ms < 10_000) return `${FINE.format(ms / 1_000)} s`;
  return ms < 120_000 ? `${WHOLE.format(ms / 1_000)} s` : `${WHOLE.format(ms / 60_000)} min`;
}

function writeBytes(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 1_000 && unit < BYTE_UNITS.length - 1) {
    scaled /= 1_000;
    unit += 1;
  }
  return `${scaled < 100 ? FINE.format(scaled) : WHOLE.format(scaled)} ${BYTE_UNITS[unit]}`;
}

function writeMs(value: number): string {
  if (value >= 1_000) return `${FINE.format(value / 1_000)} s`;
  if (value === 0 || value >= 10) return `${WHOLE.format(value)} ms`;
  return `${Number(value.toPrecision(2)).toLocaleString()} ms`;
}
