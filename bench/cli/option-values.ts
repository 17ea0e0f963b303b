import { InvalidArgumentError } from 'commander';

/**
 * A check for a number within bounds; what it throws becomes commander's message.
 * @param unit names what is counted
 */
export function numberWithin(least: number, most: number, unit: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Allowed is a number from ${least} to ${most} (${unit}).`);
  };
}

/** The same for whole numbers. */
export function wholeWithin(least: number, most: number, unit: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Allowed is a whole number from ${least} to ${most} (${unit}).`);
  };
}

/** Whole numbers, comma-separated; given more than once they add up to one list. */
export function wholesWithin(
  least: number,
  most: number,
  unit: string,
): (text: string, before: readonly number[] | undefined) => readonly number[] {
  const read = wholeWithin(least, most, unit);
  return (text, before = []) => [...before, ...text.split(',').map((part) => read(part))];
}

/** A check for an address with one of these protocols, of a host and port and nothing else; without a slash at its end. */
export function addressOf(...protocols: readonly string[]): (text: string) => string {
  return (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isPlain = url !== undefined && url.pathname.replace('/', '') === '' && !/[?#@]/.test(text);
    if (isPlain && protocols.includes(url.protocol)) return `${url.protocol}//${url.host}`;
    throw new InvalidArgumentError(`Allowed is ${protocols.map((name) => `${name}//HOST:PORT`).join(' or ')}.`);
  };
}
