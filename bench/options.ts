/** The options reader of all entries of the bench. */
import { type Command, CommanderError, InvalidArgumentError } from 'commander';

/** As shells tell the end by SIGINT. */
export const INTERRUPTED = 130;
export const FAILED = 1;
export const BAD_OPTION = 2;

/** What the help of every entry says at its end. */
export const EXIT_CODES = 'Exit codes: 0 done, 1 nothing could be measured, 2 bad option, 130 ended by Ctrl-C.';

/** What an entry needs of its process. */
export interface Surroundings {
  /** The report, or the JSON document, and the help go here. */
  readonly stdout: { write(text: string): unknown };
  /** Everything else goes here. */
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Aborts with the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Why there are no options: help or the version was asked for, or `fault` says what is wrong. */
export type NoOptions = { readonly help: string } | { readonly fault: string };

/**
 * Reads a command line, without the program's own name.
 * @param finish makes the result of the options; returns a sentence on what is wrong with them together
 */
export function readCommand<Given extends object, Result extends object>(
  command: Command,
  argv: readonly string[],
  finish: (given: Given, args: readonly string[]) => Result | string,
): Result | NoOptions {
  let output = '';
  const write = (text: string): void => {
    output += text;
  };
  command.configureOutput({ writeOut: write, writeErr: write }).showSuggestionAfterError(false).exitOverride();
  try {
    command.parse(argv, { from: 'user' });
    const result = finish(command.opts<Given>(), command.args);
    if (typeof result !== 'string') return result;
    return command.error(`error: ${result}`);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? { help: output } : { fault: output };
  }
}

/** Prints why there are no options; returns the exit code. */
export function tellNoOptions(options: NoOptions, { stdout, stderr }: Pick<Surroundings, 'stdout' | 'stderr'>): number {
  if ('help' in options) stdout.write(options.help);
  else stderr.write(options.fault);
  return 'help' in options ? 0 : BAD_OPTION;
}

/**
 * A check for a number within bounds; what it throws becomes commander's message.
 * @param unit names what is counted
 */
export function numberWithin(least: number, most: number, unit: string): (text: string) => number {
  return (text) => readNumber(text, least, most, unit, 'a number', Number.isFinite);
}

/** The same for whole numbers. */
export function wholeWithin(least: number, most: number, unit: string): (text: string) => number {
  return (text) => readNumber(text, least, most, unit, 'a whole number', Number.isInteger);
}

function readNumber(
  text: string,
  least: number,
  most: number,
  unit: string,
  kind: string,
  isOfKind: (value: number) => boolean,
): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (isOfKind(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`Allowed is ${kind} from ${least} to ${most} (${unit}).`);
}

/** Whole numbers, comma-separated; given more than once they add up to one list. */
export function wholesWithin(least: number, most: number, unit: string) {
  const read = wholeWithin(least, most, unit);
  return (text: string, before: readonly number[] = []) => [...before, ...text.split(',').map((part) => read(part))];
}

/** One of some names; given more than once they add up to one list. */
export function namesAmong(names: readonly string[]) {
  return (text: string, before: readonly string[] = []): string[] => {
    if (names.includes(text)) return [...before, text];
    throw new InvalidArgumentError(`Allowed are ${names.join(', ')}.`);
  };
}

/** A check for an address of a host and port and nothing else; without a slash at its end. */
export function addressOf(protocol: string): (text: string) => string {
  return (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isPlain = url !== undefined && url.pathname.replace('/', '') === '' && !/[?#@]/.test(text);
    if (isPlain && url.protocol === protocol) return `${url.protocol}//${url.host}`;
    throw new InvalidArgumentError(`Allowed is ${protocol}//HOST:PORT.`);
  };
}
