import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Command, CommanderError } from 'commander';
import type { Clock } from '../src/clock.ts';
import { isRoomName } from '../src/comment.ts';
import { decodeRecording, parseRecording, type Recording, RecordingError } from './bilibili-xml.ts';
import { type Answer, emptyTally, ReplayError, type ReplayTally, runReplay } from './replay-run.ts';

/** How long a request may take, in ms. */
const REQUEST_TIMEOUT_MS = 10_000;

/** What the command needs of the process it runs in. */
export interface Surroundings {
  readonly clock: Clock;
  /** The summary and the help go here. */
  readonly stdout: { write(text: string): unknown };
  /** Faults go here, and the progress bar if it is a terminal. */
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** The folder that FILE is relative to. */
  readonly cwd: string;
  /** Ends the replay early (Ctrl-C). */
  readonly signal: AbortSignal;
}

/**
 * Runs `replay` and gives back the exit code: 0 done, 1 stopped by the server or for want of one, 2 bad option or file,
 * 130 ended by `signal`. `argv` is the command line without the program's own name.
 */
export async function replayCommand(argv: readonly string[], around: Surroundings): Promise<number> {
  const options = readOptions(argv);
  if ('help' in options) {
    around.stdout.write(options.help);
    return 0;
  }
  if ('fault' in options) return complain(around, options.fault, 2);
  const recording = await readRecording(options.file, around.cwd);
  if (typeof recording === 'string') return complain(around, `FILE ${JSON.stringify(options.file)}: ${recording}`, 2);
  around.stdout.write(describeRecording(recording));
  return replayRecording(recording, options, around);
}

/** What of the file is not replayed as it stands, and the first lines where; nothing where all of it is. */
function describeRecording({ leftOut, changed, others, hasEnd, notes }: Recording): string {
  const lines = hasEnd ? [] : ['the file has no end (</i>): comments may be missing'];
  const sums: [string, ReadonlyMap<string, number>][] = [
    ['left out of the file', leftOut],
    ['changed', changed],
    ['not comments', others],
  ];
  for (const [what, counts] of sums) if (counts.size > 0) lines.push(`${what}: ${listCounts(counts)}`);
  for (const note of notes) lines.push(`  ${note}`);
  return lines.map((line) => `${line}\n`).join('');
}

/** `gift (12), guard (3)`: the most first. */
function listCounts(counts: Iterable<readonly [string, number]>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([what, count]) => `${what} (${count})`).join(', ');
}

async function replayRecording(recording: Recording, options: ReplayOptions, around: Surroundings): Promise<number> {
  const { clock, signal } = around;
  const tally = emptyTally();
  const start = clock.now();
  const bar = options.progress && around.stderr.isTTY === true ? openBar(around.stderr) : undefined;
  bar?.start(recording.moments.length * options.times, 0, { accepted: 0 });
  let fault: string | undefined;
  try {
    await runReplay({
      moments: recording.moments,
      times: options.times,
      speed: options.speed,
      clock,
      signal,
      tally,
      post: (body) => post(options, body),
      progress: () => bar?.update(tally.sent, { accepted: tally.accepted }),
    });
  } catch (error) {
    if (!(error instanceof ReplayError)) throw error;
    fault = error.message;
  } finally {
    bar?.stop();
  }
  if (fault === undefined || tally.sent > 0) {
    around.stdout.write(describeReplay(recording, options, tally, clock.now() - start));
  }
  if (fault !== undefined) return complain(around, fault, 1);
  return signal.aborted ? 130 : 0;
}

/**
 * The lines that say what was done: comments sent and accepted, the duration, what was left out by reason.
 *
 * @param ms how long it took
 */
function describeReplay(recording: Recording, options: ReplayOptions, tally: ReplayTally, ms: number): string {
  const { moments } = recording;
  // What the file has of no use is left out again in every round that began.
  const rounds = moments.length === 0 ? options.times : Math.max(1, Math.ceil(tally.sent / moments.length));
  const unfit = [...recording.leftOut].map(([reason, count]) => [reason, count * rounds] as const);
  const leftOut = [...unfit, ...tally.refused];
  const total = leftOut.reduce((sum, [, count]) => sum + count, 0);
  const lines = [
    `sent ${tally.sent} of ${moments.length * options.times} comments to room ${options.room}, ` +
      `accepted ${tally.accepted}, in ${(ms / 1_000).toFixed(1)} s`,
    total === 0 ? 'left out 0' : `left out ${total}: ${listCounts(leftOut)}`,
    ...Array.from(tally.notes, (note) => `  ${note}`),
  ];
  if (tally.waits > 0) lines.push(`waited ${tally.waits} times because the server asked to`);
  return `${lines.join('\n')}\n`;
}

/** The recording, or what is wrong with the file. */
async function readRecording(file: string, cwd: string): Promise<Recording | string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(resolve(cwd, file));
  } catch (error) {
    return `it cannot be read (${messageOf(error)})`;
  }
  try {
    return parseRecording(decodeRecording(bytes));
  } catch (error) {
    if (error instanceof RecordingError) return error.message;
    throw error;
  }
}

async function post({ url, room }: ReplayOptions, body: string): Promise<Answer> {
  try {
    const response = await fetch(`${url}/rooms/${encodeURIComponent(room)}/comments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      // A redirected POST would arrive as a GET.
      redirect: 'manual',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const { status, headers } = response;
    // What the viewers' port answers to everything that is no WebSocket.
    if (status === 426) {
      const sentence = `--url ${url} is the viewers' port: comments go to the API's, apiUrl in the server's line "ready"`;
      throw new ReplayError(`${sentence} (http://127.0.0.1:9001 by default)`);
    }
    return { status, retryAfter: headers.get('retry-after'), body: await response.text() };
  } catch (error) {
    if (error instanceof ReplayError) throw error;
    if (error instanceof Error && error.name === 'TimeoutError') {
      throw new ReplayError(`no answer from --url ${url} within ${REQUEST_TIMEOUT_MS / 1_000} s`);
    }
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new ReplayError(`cannot reach --url ${url} (${messageOf(cause)})`);
  }
}

/** The system's code where there is one, since the message of a failed connection may be empty. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' && error.message === '' ? error.code : error.message;
}

function openBar(stream: NodeJS.WritableStream): SingleBar {
  return new SingleBar({ stream, format: '{bar} {percentage}% | {value}/{total} comments, {accepted} accepted' });
}

function complain({ stderr }: Surroundings, sentence: string, code: number): number {
  stderr.write(`replay: ${sentence}\n`);
  return code;
}

interface ReplayOptions {
  readonly file: string;
  readonly room: string;
  /** How many times faster than recorded. */
  readonly speed: number;
  /** Base address of the API, without a slash at its end. */
  readonly url: string;
  readonly times: number;
  readonly progress: boolean;
}

/** Why there are no options: `help` was asked for, or `fault` says in one sentence what is wrong. */
type NoOptions = { readonly help: string } | { readonly fault: string };

/** The options as commander hands them over: text, not yet checked. */
type Given = Readonly<Record<'room' | 'speed' | 'url' | 'times', string>> & { readonly progress: boolean };

/** Reads the command line, without the program's own name. */
export function readOptions(argv: readonly string[]): ReplayOptions | NoOptions {
  let help = '';
  const command = describeCommand().configureOutput({
    writeOut: (text) => {
      help += text;
    },
    writeErr() {},
  });
  try {
    command.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? { help } : { fault: `${describeFault(error)}; see npm run replay -- --help` };
  }
  const given = command.opts<Given>();
  const { room } = given;
  const speed = readNumber(given.speed);
  const times = readNumber(given.times);
  const url = readUrl(given.url);
  if (!isRoomName(room))
    return { fault: `--room ${show(room)} must be 1 to 64 characters of A-Z, a-z, 0-9 and . _ : -` };
  if (!(speed > 0)) return { fault: `--speed ${show(given.speed)} must be a number above 0` };
  if (!(Number.isSafeInteger(times) && times >= 1)) {
    return { fault: `--times ${show(given.times)} must be a whole number, 1 or more` };
  }
  if (url === undefined) {
    return { fault: `--url ${show(given.url)} must be an http:// or https:// address without user, query and hash` };
  }
  return { file: command.args[0] ?? '', room, speed, url, times, progress: given.progress };
}

function describeCommand(): Command {
  return new Command('npm run replay --')
    .description("Replays a Bilibili XML recording through volley's HTTP API in its own timing.")
    .argument('<FILE>', 'the recording')
    .requiredOption('--room <R>', 'the room to replay into')
    .option('--speed <X>', 'how many times faster than recorded', '1')
    .option('--url <URL>', "base address of volley's API", 'http://127.0.0.1:9001')
    .option('--times <N>', 'how many times to replay it, one after the other', '1')
    .option('--no-progress', 'no progress bar')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 the server stopped it, 2 bad option or file, 130 ended with Ctrl-C.' +
        '\nExample: npm run replay -- live.xml --room demo --speed 10',
    )
    .showSuggestionAfterError(false)
    .exitOverride();
}

function describeFault({ code, message }: CommanderError): string {
  if (code === 'commander.excessArguments') return 'only one FILE can be replayed';
  return message.replace(/^error: /, '');
}

/** A finite number, else NaN. */
function readNumber(text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  return Number.isFinite(value) ? value : NaN;
}

function readUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  // `fetch` takes no address with a user in it.
  if (!isWeb || url.username !== '' || url.password !== '' || /[?#]/.test(text)) return undefined;
  return url.href.replace(/\/+$/, '');
}

/** As the user typed it, and visible when empty. */
function show(text: string): string {
  return JSON.stringify(text);
}
