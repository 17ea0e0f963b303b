/** The options reader of all entries of the bench. */
import { type Command, CommanderError, InvalidArgumentError } from 'commander';

/** A failure that the user can understand: `message` is one clear sentence, and the bench ends with exit code 1. */
export class BenchError extends Error {
  override name = 'BenchError';
}

/** Exit codes; INTERRUPTED is as shells tell the end by SIGINT. */
export const [FAILED, BAD_OPTION, INTERRUPTED] = [1, 2, 130] as const;

export const EXIT_CODES = 'Exit codes: 0 done, 1 nothing could be measured, 2 bad option, 130 ended by Ctrl-C.';

/** What an entry needs of its process. */
export interface Surroundings {
  readonly stdout: { write(text: string): unknown };
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

/** A check for a number within bounds, of which `unit` names what is counted; what it throws becomes a message. */
export function numberWithin(least: number, most: number, unit: string, kind = 'a number') {
  return (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    const isOfKind = kind === 'a number' ? Number.isFinite(value) : Number.isInteger(value);
    if (isOfKind && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Allowed is ${kind} from ${least} to ${most} (${unit}).`);
  };
}

export function wholeWithin(least: number, most: number, unit: string) {
  return numberWithin(least, most, unit, 'a whole number');
}

/** Whole numbers, comma-separated; given more than once they add up to one list. */
export function wholesWithin(least: number, most: number, unit: string) {
  const read = wholeWithin(least, most, unit);
  return (text: string, before: readonly number[] = []) => [...before, ...text.split(',').map(read)];
}

/** One of some names; given more than once they add up to one list. */
export function namesAmong(names: readonly string[]) {
  return (text: string, before: readonly string[] = []): string[] => {
    if (names.includes(text)) return [...before, text];
    throw new InvalidArgumentError(`Allowed are ${names.join(', ')}.`);
  };
}

/** A check for an address of a host and port and nothing else; without a slash at its end. */
export function addressOf(protocol: string) {
  return (text: string): string => {
    const url = new URL(URL.canParse(text) ? text : 'none:');
    const isPlain = url.pathname.replace('/', '') === '' && !/[?#@]/.test(text);
    if (isPlain && url.protocol === protocol) return `${url.protocol}//${url.host}`;
    throw new InvalidArgumentError(`Allowed is ${protocol}//HOST:PORT.`);
  };
}
