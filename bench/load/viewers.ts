/** The two kinds of viewers: of a volley room, and of any other server. */
import { inflateRawSync } from 'node:zlib';
import { BOUNDS, type Comment, MODES } from '../../src/comment.ts';
import { parseCommentId } from '../../src/comment-id.ts';
import { type Codec, DEFLATE_CODEC, JSON_CODEC } from '../../src/frames/codec.ts';
import { decodeMsgpackFrame } from '../../src/frames/codec-msgpack.ts';
import type { BatchMessage } from '../../src/frames/messages.ts';
import type { Connection, Viewer } from './connection.ts';
import type { LoadPlan } from './plan.ts';
import type { FrameIdentity, KnownFrame, Room } from './room.ts';
import type { Sender } from './senders.ts';
import { addTo, type Samples, type Tally } from './tally.ts';
import { clientFrame, FIN, OPCODE } from './wire.ts';

/** A viewer of an opaque server: messages of the kind that the plan names are frames, and its n-th is the n-th push. */
export class OpaqueViewer implements Viewer {
  readonly keepsPayloads = false;
  readonly #connection: Connection;
  readonly #room: Room;
  readonly #tally: Tally;
  readonly #samples: Samples;
  readonly #hello: readonly string[];
  readonly #frameOpcode: number;
  readonly #spreads: boolean;
  #heardIn = 0;
  #pushes = 0;
  /** Opcode of the message whose fragments come. */
  #opcode = 0;

  constructor(connection: Connection, room: Room, plan: LoadPlan, tally: Tally, samples: Samples) {
    this.#connection = connection;
    this.#room = room;
    this.#hello = plan.hello ?? [];
    this.#frameOpcode = OPCODE[plan.opaqueFrames ?? 'binary'];
    this.#tally = tally;
    this.#samples = samples;
    this.#spreads = connection.seat.steady && room.isShared;
  }

  get hasHeard(): boolean {
    return this.#heardIn === this.#tally.round;
  }

  start(): void {
    for (const text of this.#hello) this.#connection.write(clientFrame(OPCODE.text, Buffer.from(text)));
    this.#connection.becomeUp();
  }

  onFrame(first: number): void {
    const opcode = first & 0x0f;
    if (opcode !== OPCODE.continuation) this.#opcode = opcode;
    if ((first & FIN) === 0 || this.#opcode !== this.#frameOpcode) return;
    const tally = this.#tally;
    tally.frames += 1;
    tally.heardAt = tally.now;
    if (tally.isMeasuring) this.#heardIn = tally.round;
    this.#pushes += 1;
    if (this.#spreads && !tally.isOver) this.#samples.countCopy(this.#room, this.#room.push(this.#pushes), tally.now);
  }

  afterRead(): void {}
}

/** Where the first letter of the type is in every text message of volley. */
const TYPE_AT = '{"type":"'.length;
const LETTERS = { ack: 0x61, batch: 0x62, presence: 0x70, skipped: 0x73 } as const;

/** Acks are read without JSON: under a flood they come as fast as comments are sent. */
const ACK = /^\{"type":"ack","ref":"(\d+)","id":"(\d+)\.\d+","seq":/;

/** What the server says in text besides batches. */
type ControlMessage =
  | {
      readonly type: 'welcome';
      readonly seq: number;
      readonly reset?: boolean;
      readonly gap?: { readonly from: number; readonly to: number };
    }
  | { readonly type: 'ack'; readonly ref?: string; readonly seq: number }
  | { readonly type: 'refused'; readonly ref?: string; readonly code: string; readonly retryAfterMs?: number }
  | { readonly type: 'presence' | 'skipped' };

/** The seq of a viewer whose first batch may be any. */
const ANY = -1;

/** What the volley viewers of a thread share. */
export interface VolleyKit {
  readonly codec: Codec;
  readonly tally: Tally;
  readonly samples: Samples;
  readonly checks: FrameChecks;
  /** Comments that a sender keeps unanswered; 0 where they are paced. */
  readonly window: number;
}

/** A viewer of a volley room: follows seq and prev, and keeps a sender's account of acks. */
export class VolleyViewer implements Viewer {
  readonly keepsPayloads = true;
  readonly #kit: VolleyKit;
  readonly #connection: Connection;
  readonly #room: Room;
  readonly #sender: Sender | null;
  readonly #isSampled: boolean;
  /** Its copies count for the spread. */
  readonly #spreads: boolean;
  readonly #batchFrame: number;
  #heardIn = 0;
  #isWelcome = false;
  #lastSeq = ANY;
  /** What came up to this seq is backfill. */
  #boundary = 0;
  #isCatchingUp = false;
  /** What has come of a message in fragments, and its opcode. */
  #fragments: Buffer[] = [];
  #fragmented = 0;

  constructor(connection: Connection, room: Room, sender: Sender | null, kit: VolleyKit) {
    const { seat } = connection;
    this.#kit = kit;
    this.#connection = connection;
    this.#room = room;
    this.#sender = sender;
    this.#isSampled = seat.sampled;
    this.#spreads = seat.steady && room.isShared;
    this.#batchFrame = FIN | (kit.codec === JSON_CODEC ? OPCODE.text : OPCODE.binary);
  }

  get hasHeard(): boolean {
    return this.#heardIn === this.#kit.tally.round;
  }

  /** Sends nothing: the server speaks first. */
  start(): void {}

  onFrame(first: number, bytes: Buffer, start: number, end: number): void {
    if (first < FIN || first === (FIN | OPCODE.continuation)) {
      this.#gather(first, bytes.subarray(start, end));
    } else if (
      first === this.#batchFrame &&
      (first === (FIN | OPCODE.binary) || bytes[start + TYPE_AT] === LETTERS.batch)
    ) {
      const frame = this.#room.find(bytes, start, end) ?? this.#learn(bytes, start, end);
      if (frame === undefined) return;
      if (this.#isSampled) this.#kit.checks.add(bytes, start, end, frame);
      this.#take(frame);
    } else if (first === (FIN | OPCODE.text)) {
      this.#takeText(bytes, start, end);
    } else {
      this.#kit.tally.addFault(`the server sent a frame that begins with 0x${first.toString(16)}`);
    }
  }

  afterRead(): void {
    if (this.#sender === null || this.#kit.window === 0) return;
    if (!this.#sender.isStarted || !this.#connection.isUp) return;
    this.#sender.fill(this.#kit.window);
    this.#kit.tally.sent += this.#sender.flush();
  }

  /** A backfill of very large batches comes in fragments. */
  #gather(first: number, fragment: Buffer): void {
    if (first < FIN && first !== OPCODE.continuation) this.#fragmented = first;
    this.#fragments.push(Buffer.from(fragment));
    if (first < FIN) return;
    const whole = Buffer.concat(this.#fragments.splice(0));
    this.onFrame(FIN | this.#fragmented, whole, 0, whole.length);
  }

  #take(frame: KnownFrame): void {
    const { tally, samples } = this.#kit;
    tally.frames += 1;
    tally.comments += frame.comments;
    tally.heardAt = tally.now;
    if (tally.isMeasuring) this.#heardIn = tally.round;
    if (frame.prev !== this.#lastSeq) this.#compare(frame);
    if (frame.seq > this.#lastSeq) this.#lastSeq = frame.seq;
    const isLive = frame.prev >= this.#boundary;
    if (this.#isCatchingUp && frame.seq >= this.#boundary) this.#beCaughtUp();
    if (!isLive || tally.isOver) return;
    // Before measuring too: it shows which frames had first copies before it and cannot be complete.
    if (this.#spreads) samples.countCopy(this.#room, frame, tally.now);
    if (!this.#isSampled || !tally.isMeasuring) return;
    for (const seq of frame.batches) samples.addReceived(this.#room, seq, tally.now);
  }

  #compare({ seq, prev }: KnownFrame): void {
    const { tally } = this.#kit;
    const last = this.#lastSeq;
    if (!this.#isWelcome) tally.addFault(`batch ${seq} came before the welcome`);
    else if (last === ANY) return;
    else if (seq <= last) tally.outOfOrder += 1;
    else if (prev > last) tally.lost += this.#room.countMissing(last, prev);
    else tally.addFault(`batch ${seq} says that ${prev} was before it, but ${last} was`);
  }

  #learn(bytes: Buffer, start: number, end: number): KnownFrame | undefined {
    try {
      const identity = identify(decodeFrame(this.#kit.codec, bytes.subarray(start, end)));
      return this.#room.learn(identity, bytes, start, end);
    } catch (error) {
      this.#kit.tally.addFault(`a frame of ${end - start} bytes cannot be decoded: ${(error as Error).message}`);
      return undefined;
    }
  }

  #takeText(bytes: Buffer, start: number, end: number): void {
    const letter = bytes[start + TYPE_AT];
    const ack = letter === LETTERS.ack ? ACK.exec(bytes.toString('latin1', start, end)) : null;
    if (ack !== null) this.#takeAck(Number(ack[1]), Number(ack[2]));
    else if (letter === LETTERS.skipped) this.#kit.tally.skipped += 1;
    else if (letter !== LETTERS.presence) this.#takeControl(bytes.toString('utf8', start, end));
  }

  #takeControl(text: string): void {
    let message: ControlMessage;
    try {
      message = JSON.parse(text) as ControlMessage;
    } catch {
      this.#kit.tally.addFault(`the server sent a text that is not JSON: ${text.slice(0, 100)}`);
      return;
    }
    if (message.type === 'welcome') this.#takeWelcome(message);
    else if (message.type === 'ack') this.#takeAck(Number(message.ref), message.seq);
    else if (message.type === 'refused') this.#takeRefusal(message);
    else this.#kit.tally.addFault(`the server sent a message of type ${JSON.stringify(message.type)}`);
  }

  #takeWelcome(welcome: Extract<ControlMessage, { type: 'welcome' }>): void {
    if (this.#isWelcome) {
      this.#kit.tally.addFault('the server welcomed a viewer twice');
      return;
    }
    this.#isWelcome = true;
    const asked = readStart(this.#connection.seat.path);
    if (asked === 'now') {
      this.#lastSeq = welcome.seq;
    } else {
      this.#lastSeq = asked === 'history' ? ANY : welcome.reset ? 0 : (welcome.gap?.to ?? asked);
      this.#isCatchingUp = true;
      this.#boundary = welcome.seq;
      if (welcome.seq === 0 || this.#lastSeq >= welcome.seq) this.#beCaughtUp();
    }
    this.#connection.becomeUp();
  }

  #beCaughtUp(): void {
    this.#isCatchingUp = false;
    this.#boundary = 0;
    const { tally, samples } = this.#kit;
    if (this.#connection.isTimed) samples.caughtUp.push(tally.now - this.#connection.dueAt);
  }

  #takeAck(ref: number, seq: number): void {
    const { tally, samples } = this.#kit;
    const sentAt = this.#sender?.takeAnswered(ref);
    if (sentAt === undefined) {
      tally.addFault(`the server acknowledged comment ${ref} of batch ${seq}, which was not waiting for it`);
      return;
    }
    tally.acked += 1;
    if (tally.isMeasuring) samples.ack.push(tally.now - sentAt);
    if (this.#room.isTimed) samples.addAcked(this.#room, seq, sentAt);
  }

  #takeRefusal({ ref, code, retryAfterMs }: Extract<ControlMessage, { type: 'refused' }>): void {
    const { tally } = this.#kit;
    const sender = this.#sender;
    addTo(tally.refused, code, 1);
    if (sender?.takeAnswered(Number(ref)) === undefined) {
      tally.addFault(`the server refused (${code}) comment ${ref}, which was not waiting for an answer`);
      return;
    }
    if (retryAfterMs === undefined) return;
    // Replaced at once, it would be refused again, and the server would do nothing but refuse.
    sender.held += 1;
    setTimeout(() => {
      tally.look();
      sender.held -= 1;
      this.afterRead();
    }, retryAfterMs);
  }
}

/** Where a path asks to begin: after a seq, with some history, or with what comes next. */
function readStart(path: string): number | 'history' | 'now' {
  const parameters = new URLSearchParams(path.split('?')[1] ?? '');
  const since = parameters.get('since');
  if (since !== null) return Number(since);
  return Number(parameters.get('history') ?? 0) > 0 ? 'history' : 'now';
}

/**
 * Decodes a frame.
 * @throws whatever the decoder throws when it is no frame
 */
export function decodeFrame(codec: Codec, payload: Buffer): BatchMessage {
  if (codec === JSON_CODEC) return JSON.parse(payload.toString('utf8')) as BatchMessage;
  return decodeMsgpackFrame(codec === DEFLATE_CODEC ? inflateRawSync(payload) : payload);
}

/**
 * What a decoded frame is.
 * @throws Error when it has no seq, prev or comments
 */
export function identify({ seq, prev, comments }: BatchMessage): FrameIdentity {
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(prev) || !Array.isArray(comments)) {
    throw new Error('a batch has no seq, no prev or no comments');
  }
  const batches: number[] = [];
  for (const comment of comments) {
    const batch = parseCommentId(String(comment.id))?.seq ?? Number.NaN;
    if (batch !== batches.at(-1)) batches.push(batch);
  }
  return { seq, prev, comments: comments.length, batches };
}

/** What is wrong with a frame that was taken for `identity`, as a sentence; undefined for a good frame. */
export function findFault({ seq, prev, comments }: BatchMessage, identity: FrameIdentity): string | undefined {
  const name = `batch ${seq} after ${prev}`;
  if (seq !== identity.seq || prev !== identity.prev) {
    return `${name} was taken for batch ${identity.seq} after ${identity.prev}`;
  }
  if (comments.length === 0) return `${name} holds no comment`;
  if (comments.length !== identity.comments) {
    return `${name} holds ${comments.length} comments in one copy and ${identity.comments} in another`;
  }
  let batch = -1;
  let place = 0;
  for (const comment of comments) {
    const at = parseCommentId(String(comment.id));
    if (at === null) return `${name} holds comment ${comment.id}`;
    if (at.seq !== batch) {
      if (at.seq <= Math.max(batch, prev) || at.seq > seq) return `${name} holds comment ${comment.id}`;
      batch = at.seq;
      place = 0;
    }
    if (at.place !== place) return `${name} holds comment ${comment.id} at place ${place} of batch ${batch}`;
    place += 1;
    const wrong = findWrongField(comment);
    if (wrong !== undefined) return `comment ${comment.id} has ${wrong} ${JSON.stringify(comment[wrong])}`;
  }
  return batch === seq ? undefined : `${name} ends with comments of batch ${batch}`;
}

function findWrongField(comment: Comment): keyof Comment | undefined {
  if (typeof comment.text !== 'string' || comment.text === '') return 'text';
  if (typeof comment.user !== 'string') return 'user';
  if (typeof comment.name !== 'string') return 'name';
  if (!MODES.includes(comment.mode)) return 'mode';
  if (!isWithin(comment.color, 0, BOUNDS.color)) return 'color';
  if (!isWithin(comment.size, 1, BOUNDS.size)) return 'size';
  return isWithin(comment.at, 0, Number.MAX_SAFE_INTEGER) ? undefined : 'at';
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/**
 * Decodes and checks the frames of sampled viewers, one between two turns of the loop: done where they are read, it
 * would make every viewer behind them look late.
 */
export class FrameChecks {
  readonly #codec: Codec;
  readonly #tally: Tally;
  #waiting: { payload: Buffer; identity: FrameIdentity }[] = [];
  #next = 0;
  #immediate: NodeJS.Immediate | undefined;

  constructor(codec: Codec, tally: Tally) {
    this.#codec = codec;
    this.#tally = tally;
  }

  /** Checks, now or soon, that `bytes[start, end)` is a good frame, and the one that it was taken for. */
  add(bytes: Buffer, start: number, end: number, identity: FrameIdentity): void {
    this.#waiting.push({ payload: Buffer.from(bytes.subarray(start, end)), identity });
    this.#immediate ??= setImmediate(this.#turn);
  }

  /** Checks all that waits. */
  finish(): void {
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    while (this.#waiting.length > 0) this.#checkNext();
  }

  readonly #turn = (): void => {
    this.#checkNext();
    this.#immediate = this.#waiting.length === 0 ? undefined : setImmediate(this.#turn);
  };

  #checkNext(): void {
    const { payload, identity } = this.#waiting[this.#next] as { payload: Buffer; identity: FrameIdentity };
    this.#next += 1;
    if (this.#next === this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    }
    try {
      const fault = findFault(decodeFrame(this.#codec, payload), identity);
      if (fault !== undefined) this.#tally.addFault(fault);
    } catch (error) {
      this.#tally.addFault(`a frame cannot be decoded: ${(error as Error).message}`);
    }
  }
}
