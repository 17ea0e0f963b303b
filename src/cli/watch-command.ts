import type { IncomingMessage } from 'node:http';
import { inflateRawSync } from 'node:zlib';
import { type Command, CommanderError, Option } from 'commander';
import { WebSocket } from 'ws';
import type { Comment } from '../comment.ts';
import type { BatchMessage } from '../frames/batch-message.ts';
import { CODECS, type CodecName, SUBPROTOCOLS } from '../frames/codec.ts';
import { decodeMsgpackFrame } from '../frames/codec-msgpack.ts';
import { parseWhole } from '../intake/number-check.ts';
import { BAD_SETTING } from './setting-options.ts';

interface WatchOptions {
  readonly codec: CodecName;
  readonly since?: number;
  readonly history?: number;
}

/** `volley watch URL`: a viewer in the terminal. Comments go to stdout, everything else to stderr. */
export function addWatchCommand(program: Command): void {
  program
    .command('watch')
    .description('watch a room in the terminal')
    .argument('<url>', 'ws://HOST:PORT/rooms/ROOM', readUrl)
    .addOption(new Option('--codec <codec>', 'how batches travel').choices(CODECS).default('json'))
    .option('--since <seq>', 'begin after this seq; 0 is everything kept', (text) => readWhole('--since', text))
    .option('--history <comments>', 'begin with about this many', (text) => readWhole('--history', text))
    .action((url: URL, options: WatchOptions) => watch(url, options));
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if ((url?.protocol === 'ws:' || url?.protocol === 'wss:') && url.hash === '') return url;
  const sentence = `the URL cannot be "${text}": allowed is ws://HOST:PORT/rooms/ROOM`;
  throw new CommanderError(BAD_SETTING, 'volley.badUrl', sentence);
}

function readWhole(flag: string, text: string): number {
  const value = parseWhole(text);
  if (value !== null) return value;
  throw new CommanderError(BAD_SETTING, 'volley.badOption', `${flag} cannot be "${text}": allowed is a whole number`);
}

/** Prints a room's comments until the link closes (exit code 1) or Ctrl-C (exit code 0). */
function watch(url: URL, { codec, since, history }: WatchOptions): void {
  if (since !== undefined) url.searchParams.set('since', String(since));
  if (history !== undefined) url.searchParams.set('history', String(history));
  const socket = new WebSocket(url, SUBPROTOCOLS[CODECS.indexOf(codec)]);
  let last: number | undefined;
  socket.on('message', (data: Buffer, isBinary) => {
    const message = isBinary ? decodeFrame(data, codec) : (JSON.parse(data.toString()) as ControlMessage);
    if (message.type === 'batch') {
      if (last !== undefined && message.prev > last) note(`missed what came between seq ${last} and ${message.prev}`);
      last = message.seq;
      for (const comment of message.comments) print(comment, message.at);
    } else if (message.type === 'welcome') {
      note(`${message.room}: ${message.viewers} watching, seq ${message.seq}`);
      if (message.gap) note(`seq ${message.gap.from} to ${message.gap.to} are no longer kept`);
      if (message.reset) note('the room has begun anew');
      if (since === undefined && history === undefined) last = message.seq;
    } else if (message.type === 'skipped') {
      note('reading too slowly: the server skipped pushes');
    }
  });
  socket.on('unexpected-response', (_request, response: IncomingMessage) => explain(response));
  socket.on('error', (error) => fail(`cannot watch ${url.href}: ${error.message || 'connection refused'}`));
  socket.on('close', (code, reason) => fail(`closed by the server: ${code} ${reason.toString()}`.trimEnd()));
  // A reader like `head` that has seen enough is no fault.
  process.stdout.on('error', () => process.exit(0));
  process.on('SIGINT', () => process.exit(0));
}

type ControlMessage =
  | BatchMessage
  | {
      type: 'welcome';
      room: string;
      viewers: number;
      seq: number;
      reset?: boolean;
      gap?: { from: number; to: number };
    }
  | { type: 'presence' }
  | { type: 'skipped' };

function decodeFrame(data: Buffer, codec: CodecName): BatchMessage {
  return decodeMsgpackFrame(codec === 'deflate' ? inflateRawSync(data) : data);
}

function print(comment: Comment, base: number): void {
  const time = new Date(base + comment.at).toTimeString().slice(0, 8);
  const author = comment.name || comment.user;
  process.stdout.write(`${time} ${author === '' ? '' : `${author}: `}${comment.text}\n`);
}

function note(text: string): void {
  process.stderr.write(`-- ${text}\n`);
}

/** The server refused the handshake: says why in its own words. */
function explain(response: IncomingMessage): void {
  const parts: Buffer[] = [];
  response.on('data', (part: Buffer) => parts.push(part));
  response.on('end', () => {
    const text = Buffer.concat(parts).toString();
    fail(`the server answered ${response.statusCode}: ${text}`);
  });
}

function fail(sentence: string): never {
  process.stderr.write(`volley: ${sentence}\n`);
  process.exit(1);
}
