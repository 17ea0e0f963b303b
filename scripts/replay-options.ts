import { Command, CommanderError } from 'commander';
import { isRoomName } from '../src/comment.ts';

export interface ReplayOptions {
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
export type NoOptions = { readonly help: string } | { readonly fault: string };

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
