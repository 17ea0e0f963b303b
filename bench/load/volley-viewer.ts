import { type Codec, JSON_CODEC } from '../../src/frames/codec.ts';
import { type AckReader, BATCH_LETTER, type ControlMessage, LETTERS, TYPE_AT } from './answers.ts';
import { decodeFrame, identify } from './batch-reader.ts';
import type { Connection, Viewer } from './connection.ts';
import type { FrameChecks } from './frame-checks.ts';
import type { KnownFrame } from './known-frames.ts';
import { BINARY_FRAME, FIN, LAST_FRAGMENT, OPCODE_BITS, TEXT_FRAME } from './opcodes.ts';
import type { Room } from './room.ts';
import type { Samples } from './samples.ts';
import type { Sender } from './sender.ts';
import type { Tally } from './tally.ts';

/** The seq of a viewer whose first batch may be any. */
const ANY = -1;

/** What the viewers of a thread share. */
export interface VolleyKit {
  readonly codec: Codec;
  readonly tally: Tally;
  readonly samples: Samples;
  readonly checks: FrameChecks;
  readonly acks: AckReader;
  /** Comments that a sender keeps unanswered; 0 where they are paced. */
  readonly window: number;
}

/** A viewer of a volley room: follows seq and prev, and keeps a sender's account of acks. */
export class VolleyViewer implements Viewer {
  readonly #kit: VolleyKit;
  readonly #connection: Connection;
  readonly #room: Room;
  readonly #sender: Sender | null;
  readonly #isSampled: boolean;
  /** Its copies count for the spread. */
  readonly #spreads: boolean;
  readonly #batchFrame: number;
  #hasHeard = false;
  #isWelcome = false;
  #lastSeq = ANY;
  /** What came up to this seq is backfill. */
  #boundary = 0;
  #isCatchingUp = false;
  /** What has come of a message in fragments, and its first header byte as if it were whole. */
  #fragments: Buffer[] = [];
  #fragmented = 0;
  /** The known frame that a cut one began like. */
  #skimming: KnownFrame | undefined;

  constructor(connection: Connection, room: Room, sender: Sender | null, kit: VolleyKit) {
    const { seat } = connection;
    this.#kit = kit;
    this.#connection = connection;
    this.#room = room;
    this.#sender = sender;
    this.#isSampled = seat.sampled;
    this.#spreads = seat.steady && room.isShared;
    this.#batchFrame = kit.codec === JSON_CODEC ? TEXT_FRAME : BINARY_FRAME;
  }

  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /** Says nothing: the server speaks first. */
  start(): void {}

  onFrame(first: number, bytes: Buffer, start: number, end: number): void {
    if (first < FIN || first === LAST_FRAGMENT) {
      this.#gather(first, bytes.subarray(start, end));
      return;
    }
    if (first === this.#batchFrame && (first === BINARY_FRAME || bytes[start + TYPE_AT] === BATCH_LETTER)) {
      const frame = this.#room.known.find(bytes, start, end) ?? this.#learn(bytes, start, end);
      if (frame === undefined) return;
      if (this.#isSampled) this.#kit.checks.add(bytes, start, end, frame);
      this.#take(frame);
    } else if (first === TEXT_FRAME) {
      this.#takeText(bytes, start, end);
    } else {
      this.#kit.tally.addFault(`the server sent a frame that begins with 0x${first.toString(16)}`);
    }
  }

  /** A backfill of very large batches comes in fragments. */
  #gather(first: number, fragment: Buffer): void {
    if (first < FIN && (first & OPCODE_BITS) !== 0) this.#fragmented = first | FIN;
    this.#fragments.push(Buffer.from(fragment));
    if (first < FIN) return;
    const whole = Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.onFrame(this.#fragmented, whole, 0, whole.length);
  }

  needsWhole(length: number, head: Buffer): boolean {
    if (this.#isSampled || this.#fragments.length > 0) return true;
    this.#skimming = this.#room.known.findByHead(length, head);
    return this.#skimming === undefined;
  }

  onSkimmed(_first: number, length: number, tail: Buffer): void {
    const frame = this.#skimming;
    this.#skimming = undefined;
    if (frame?.tail.equals(tail)) this.#take(frame);
    else this.#kit.tally.addFault(`a frame of ${length} bytes began like batch ${frame?.seq} and ended otherwise`);
  }

  afterRead(): void {
    if (this.#sender === null || this.#kit.window === 0) return;
    if (!this.#sender.isStarted || !this.#connection.isUp) return;
    this.#sender.fill(this.#kit.window);
    this.#kit.tally.sent += this.#sender.flush();
  }

  #take(frame: KnownFrame): void {
    const { tally, samples } = this.#kit;
    tally.frames += 1;
    tally.comments += frame.comments;
    tally.heardAt = tally.now;
    if (tally.isMeasuring) this.#hasHeard = true;
    if (frame.prev !== this.#lastSeq) this.#compare(frame);
    if (frame.seq > this.#lastSeq) this.#lastSeq = frame.seq;
    const isLive = frame.prev >= this.#boundary;
    if (this.#isCatchingUp && frame.seq >= this.#boundary) this.#beCaughtUp();
    if (!isLive || tally.isOver) return;
    // Before measuring too: so it is known which frames had their first copies before it, and can have no more all.
    if (this.#spreads) samples.countCopy(this.#room, frame, tally.now);
    if (this.#isSampled && tally.isMeasuring)
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
    const { tally, acks } = this.#kit;
    const letter = bytes[start + TYPE_AT];
    if (letter === LETTERS.ack && acks.read(bytes, start, end)) this.#takeAck(acks.ref, acks.seq);
    else if (letter === LETTERS.skipped) tally.skipped += 1;
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
    const { tally, samples } = this.#kit;
    this.#isCatchingUp = false;
    this.#boundary = 0;
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
    tally.countRefused(code);
    if (sender?.takeAnswered(Number(ref)) === undefined) {
      tally.addFault(`the server refused (${code}) comment ${ref}, which was not waiting for an answer`);
      return;
    }
    if (retryAfterMs === undefined) return;
    // Replaced at once, it would be refused again, and the server would do nothing but refuse.
    sender.hold();
    setTimeout(() => {
      tally.look();
      sender.release();
      this.afterRead();
    }, retryAfterMs);
  }
}

/** Where a path asks to begin: after a seq, with some history, or with what comes next. */
function readStart(path: string): number | 'history' | 'now' {
  const query = path.indexOf('?');
  if (query === -1) return 'now';
  const parameters = new URLSearchParams(path.slice(query));
  const since = parameters.get('since');
  if (since !== null) return Number(since);
  return Number(parameters.get('history') ?? 0) > 0 ? 'history' : 'now';
}
