/** The two kinds of viewers: of a volley room, and of any other server. */
import { inflateRawSync } from 'node:zlib';
import { BOUNDS, type Comment, MODES } from '../../src/comment.ts';
import { parseCommentId } from '../../src/comment-id.ts';
import { type Codec, DEFLATE_CODEC, JSON_CODEC } from '../../src/frames/codec.ts';
import { decodeMsgpackFrame } from '../../src/frames/codecs.ts';
import type { BatchMessage, RefusedMessage, ServerMessage, Welcome } from '../../src/frames/messages.ts';
import type { Connection, Viewer } from './connection.ts';
import type { LoadPlan } from './plan.ts';
import type { FrameIdentity, KnownFrame, Room } from './room.ts';
import type { Sender } from './senders.ts';
import { addTo, type Tally } from './tally.ts';
import { clientFrame, FIN, OPCODE } from './wire.ts';

/** A viewer of an opaque server: messages of the kind that the plan names are frames, and its n-th is the n-th push. */
export function makeOpaqueViewer(connection: Connection, room: Room, plan: LoadPlan, tally: Tally): Viewer {
  const frameOpcode = OPCODE[plan.opaqueFrames ?? 'binary'];
  const spreads = connection.seat.steady && room.isShared;
  let pushes = 0;
  let current = 0;
  return {
    start: () => {
      for (const text of plan.hello ?? []) connection.write(clientFrame(OPCODE.text, Buffer.from(text)));
      connection.becomeUp();
    },
    onFrame: (first) => {
      const opcode = first & 0x0f;
      if (opcode !== OPCODE.continuation) current = opcode;
      if ((first & FIN) === 0 || current !== frameOpcode) return;
      connection.countFrame();
      pushes += 1;
      if (spreads && !tally.isOver) tally.countCopy(room, room.push(pushes));
    },
  };
}

const TYPE_AT = '{"type":"'.length;
const LETTERS = { ack: 0x61, batch: 0x62, presence: 0x70, skipped: 0x73 } as const;

/** Acks are read without JSON: under a flood they come as fast as comments are sent. */
const ACK = /^\{"type":"ack","ref":"(\d+)","id":"(\d+)\.\d+","seq":/;

/** The seq of a viewer whose first batch may be any. */
const ANY = -1;

/** A viewer of a volley room: follows seq and prev, and keeps a sender's account of acks. */
export class VolleyViewer implements Viewer {
  readonly #codec: Codec;
  readonly #tally: Tally;
  readonly #connection: Connection;
  readonly #room: Room;
  readonly #sender: Sender | null;
  readonly #window: number;
  readonly #batchFrame: number;
  #isWelcome = false;
  #lastSeq = ANY;
  /** What came up to this seq is backfill. */
  #boundary = 0;
  #isCatchingUp = false;
  #fragments: Buffer[] = [];
  #fragmented = 0;

  constructor(connection: Connection, room: Room, sender: Sender | null, codec: Codec, plan: LoadPlan, tally: Tally) {
    this.#codec = codec;
    this.#tally = tally;
    this.#connection = connection;
    this.#room = room;
    this.#sender = sender;
    this.#window = plan.sending.kind === 'flood' ? plan.sending.window : 0;
    this.#batchFrame = FIN | (codec === JSON_CODEC ? OPCODE.text : OPCODE.binary);
  }

  onFrame(first: number, bytes: Buffer, start: number, end: number): void {
    const isBinary = first === (FIN | OPCODE.binary);
    if (first < FIN || first === (FIN | OPCODE.continuation)) {
      this.#gather(first, bytes.subarray(start, end));
    } else if (first === this.#batchFrame && (isBinary || bytes[start + TYPE_AT] === LETTERS.batch)) {
      const frame = this.#room.find(bytes, start, end) ?? this.#learn(bytes.subarray(start, end));
      if (frame !== undefined) this.#take(frame);
    } else if (first === (FIN | OPCODE.text)) {
      this.#takeText(bytes, start, end);
    } else {
      this.#tally.addFault(`the server sent a frame that begins with 0x${first.toString(16)}`);
    }
  }

  afterRead(): void {
    if (this.#sender === null || this.#window === 0) return;
    if (!this.#sender.isStarted || !this.#connection.isUp) return;
    this.#sender.fill(this.#window);
    this.#tally.counts.sent += this.#sender.flush();
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
    const tally = this.#tally;
    const { sampled, steady } = this.#connection.seat;
    this.#connection.countFrame();
    tally.counts.comments += frame.comments;
    if (frame.prev !== this.#lastSeq) this.#compare(frame);
    if (frame.seq > this.#lastSeq) this.#lastSeq = frame.seq;
    const isLive = frame.prev >= this.#boundary;
    if (this.#isCatchingUp && frame.seq >= this.#boundary) this.#beCaughtUp();
    if (!isLive || tally.isOver) return;
    // Before measuring too: it shows which frames had first copies before it and cannot be complete.
    if (steady && this.#room.isShared) tally.countCopy(this.#room, frame);
    if (!sampled || !tally.isMeasuring) return;
    for (const seq of frame.batches) tally.samples.received.push(this.#room.index, seq, tally.now);
  }

  #compare({ seq, prev }: KnownFrame): void {
    const last = this.#lastSeq;
    if (!this.#isWelcome) this.#tally.addFault(`batch ${seq} came before the welcome`);
    else if (last === ANY) return;
    else if (seq <= last) this.#tally.counts.outOfOrder += 1;
    else if (prev > last) this.#tally.counts.lost += this.#room.countMissing(last, prev);
    else this.#tally.addFault(`batch ${seq} says that ${prev} was before it, but ${last} was`);
  }

  #learn(bytes: Buffer): KnownFrame | undefined {
    try {
      const message = decodeFrame(this.#codec, bytes);
      const fault = findFault(message);
      if (fault !== undefined) this.#tally.addFault(fault);
      return this.#room.learn(identify(message), bytes);
    } catch (error) {
      this.#tally.addFault(`a frame of ${bytes.length} bytes cannot be decoded: ${(error as Error).message}`);
      return undefined;
    }
  }

  #takeText(bytes: Buffer, start: number, end: number): void {
    const letter = bytes[start + TYPE_AT];
    const ack = letter === LETTERS.ack ? ACK.exec(bytes.toString('latin1', start, end)) : null;
    if (ack !== null) this.#takeAck(Number(ack[1]), Number(ack[2]));
    else if (letter === LETTERS.skipped) this.#tally.counts.skipped += 1;
    else if (letter !== LETTERS.presence) this.#takeControl(bytes.toString('utf8', start, end));
  }

  #takeControl(text: string): void {
    let message: ServerMessage;
    try {
      message = JSON.parse(text) as ServerMessage;
    } catch {
      this.#tally.addFault(`the server sent a text that is not JSON: ${text.slice(0, 100)}`);
      return;
    }
    if (message.type === 'welcome') this.#takeWelcome(message);
    else if (message.type === 'ack') this.#takeAck(Number(message.ref), message.seq);
    else if (message.type === 'refused') this.#takeRefusal(message);
    else this.#tally.addFault(`the server sent a message of type ${JSON.stringify(message.type)}`);
  }

  #takeWelcome(welcome: Welcome): void {
    if (this.#isWelcome) {
      this.#tally.addFault('the server welcomed a viewer twice');
      return;
    }
    this.#isWelcome = true;
    const asked = new URLSearchParams(this.#connection.seat.path.split('?')[1] ?? '');
    const since = asked.get('since');
    if (since === null && Number(asked.get('history') ?? 0) === 0) {
      this.#lastSeq = welcome.seq;
    } else {
      if (since !== null) this.#lastSeq = welcome.reset ? 0 : (welcome.gap?.to ?? Number(since));
      this.#isCatchingUp = true;
      this.#boundary = welcome.seq;
      if (welcome.seq === 0 || this.#lastSeq >= welcome.seq) this.#beCaughtUp();
    }
    this.#connection.becomeUp();
  }

  #beCaughtUp(): void {
    this.#isCatchingUp = false;
    this.#boundary = 0;
    const { isTimed, dueAt } = this.#connection;
    if (isTimed) this.#tally.samples.caughtUp.push(this.#tally.now - dueAt);
  }

  #takeAck(ref: number, seq: number): void {
    const tally = this.#tally;
    const sentAt = this.#sender?.takeAnswered(ref);
    if (sentAt === undefined) {
      tally.addFault(`the server acknowledged comment ${ref} of batch ${seq}, which was not waiting for it`);
      return;
    }
    tally.counts.acked += 1;
    if (tally.isMeasuring) tally.samples.ack.push(tally.now - sentAt);
    if (this.#room.isTimed) tally.samples.acked.push(this.#room.index, seq, sentAt);
  }

  #takeRefusal({ ref, code, retryAfterMs }: RefusedMessage): void {
    const sender = this.#sender;
    addTo(this.#tally.refused, code, 1);
    if (sender?.takeAnswered(Number(ref)) === undefined) {
      this.#tally.addFault(`the server refused (${code}) comment ${ref}, which was not waiting for an answer`);
      return;
    }
    if (retryAfterMs === undefined) return;
    // Replaced at once, it would be refused again, and the server would do nothing but refuse.
    sender.held += 1;
    setTimeout(() => {
      this.#tally.look();
      sender.held -= 1;
      this.afterRead();
    }, retryAfterMs);
  }
}

export function decodeFrame(codec: Codec, payload: Buffer): BatchMessage {
  if (codec === JSON_CODEC) return JSON.parse(payload.toString('utf8')) as BatchMessage;
  return decodeMsgpackFrame(codec === DEFLATE_CODEC ? inflateRawSync(payload) : payload);
}

/** What a decoded frame is; throws an Error when it has no seq, prev or comments. */
export function identify({ seq, prev, comments }: BatchMessage): FrameIdentity {
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(prev) || !Array.isArray(comments)) {
    throw new Error('a batch has no seq, no prev or no comments');
  }
  const batches = new Set(comments.map(({ id }) => parseCommentId(String(id))?.seq ?? Number.NaN));
  return { seq, prev, comments: comments.length, batches: [...batches] };
}

/** What is wrong with a frame, as a sentence; undefined for a good one. */
export function findFault({ seq, prev, comments }: BatchMessage): string | undefined {
  const name = `batch ${seq} after ${prev}`;
  let batch = -1;
  let place = 0;
  for (const comment of comments ?? []) {
    const at = parseCommentId(String(comment.id));
    if (at !== null && at.seq > Math.max(batch, prev) && at.seq <= seq) {
      batch = at.seq;
      place = 0;
    }
    if (at?.seq !== batch) return `${name} holds comment ${comment.id}`;
    if (at.place !== place) return `${name} holds comment ${comment.id} at place ${place} of batch ${batch}`;
    place += 1;
    const wrong = (Object.keys(FIELDS) as (keyof typeof FIELDS)[]).find((field) => !FIELDS[field](comment));
    if (wrong !== undefined) return `comment ${comment.id} has ${wrong} ${JSON.stringify(comment[wrong])}`;
  }
  if (place === 0) return `${name} holds no comment`;
  return batch === seq ? undefined : `${name} ends with comments of batch ${batch}`;
}

const FIELDS = {
  text: ({ text }: Comment) => typeof text === 'string' && text !== '',
  user: ({ user }: Comment) => typeof user === 'string',
  name: ({ name }: Comment) => typeof name === 'string',
  mode: ({ mode }: Comment) => MODES.includes(mode),
  color: ({ color }: Comment) => isWithin(color, 0, BOUNDS.color),
  size: ({ size }: Comment) => isWithin(size, 1, BOUNDS.size),
  at: ({ at }: Comment) => isWithin(at, 0, Number.MAX_SAFE_INTEGER),
};

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
