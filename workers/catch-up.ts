import { randomBytes } from 'node:crypto';
import type { ShardCounters } from '../src/counters.ts';
import type { JoinAnswer, ShardLimits } from '../src/shards/messages.ts';
import type { Outbox } from './outbox.ts';
import type { SlowViewers } from './slow-viewers.ts';
import { PIECE_BYTES, type Viewer } from './viewer.ts';

/** A frame up to this size is sent whole. A larger one goes out in pieces, as its viewer reads them. */
const WHOLE_BYTES = 131_072;

/** Pieces that one turn of the loop sends, in bytes. */
const BYTES_A_TURN = 1_048_576;

/** Pieces between two pings, and pings that may be unanswered: 0.5 MB is under way, of which the kernel holds most. */
const PIECES_A_PING = 8;
const MOST_PINGS = 4;

/** A frame that its viewers are sent in pieces: they share the bytes. */
interface LargeFrame {
  /** What it is of; '' while it is asked for. */
  key: string;
  /** What it counts for; before it is here, what it is thought to be. */
  bytes: number;
  /** Viewers that have asked for it or are being sent it. */
  viewers: number;
  data: Uint8Array | null;
}

/** How far a viewer has come in a large frame. Only a pong tells that it reads: the kernel takes megabytes for it. */
interface Progress {
  /** Bytes that were sent. */
  offset: number;
  /** What the pings hold before their number: nobody can answer who has not read it. */
  readonly token: string;
  pings: number;
  pongs: number;
}

/** One step of a viewer's backfill, from when the viewer wants it until it has read it. */
interface Step {
  phase: 'waiting' | 'asked' | 'sent';
  lane: Lane;
  /** Bytes that the lane must have room for. */
  needs: number;
  /** Bytes that count for this viewer alone: what it may get, and once it is sent what waits in its socket. */
  bytes: number;
  large: LargeFrame | null;
  progress: Progress | null;
  /** When a viewer that has read nothing more is closed, and when at the latest; in ms of `performance.now()`. */
  deadline: number;
  latest: number;
}

/**
 * Viewers on their way to live, and the backfill that they are sent until then, step by step.
 *
 *   join ──▶ waiting ──budget left──▶ asked ──answer──▶ sent ──read──▶ waiting … ──read, and was the last──▶ live
 *               ▲                       │                 └──not read for --slow-close──▶ closed
 *               └──larger than thought──┘
 *
 * All steps under way count against the shard's share of --catch-up-bytes: half of it is for what waits in sockets, half
 * for batches that are too large to be sent whole, so that these never keep everybody waiting. A viewer that reads nothing
 * holds its bytes for --slow-close, so every viewer that waits gets its turn.
 *
 * A large frame is one WebSocket message in fragments. Nothing else may be sent between them, so its viewer becomes live
 * with a step of its own after it.
 */
export class CatchUp {
  readonly #limits: ShardLimits;
  readonly #outbox: Outbox;
  readonly #slow: SlowViewers;
  readonly #counters: ShardCounters;
  /** Bytes that wait in sockets, and those that were asked for and are to be sent whole. */
  readonly #whole: Lane;
  /** Large frames, each of which all its viewers share. */
  readonly #large: Lane;
  readonly #steps = new Map<Viewer, Step>();
  readonly #frames = new Map<string, LargeFrame>();
  /** Viewers whose socket can take the next piece, in the order in which they get it. */
  readonly #ready = new Set<Viewer>();
  #scheduled = false;

  constructor(limits: ShardLimits, outbox: Outbox, slow: SlowViewers, counters: ShardCounters) {
    this.#limits = limits;
    this.#outbox = outbox;
    this.#slow = slow;
    this.#counters = counters;
    this.#whole = new Lane(limits.catchUpBytes / 2);
    this.#large = new Lane(limits.catchUpBytes / 2);
    this.#count();
  }

  /** A viewer is there. One that wants nothing older waits for nobody. */
  join(viewer: Viewer): void {
    if (viewer.point?.kind === 'now') this.#outbox.ask(viewer, viewer.point);
    else this.#want(viewer);
    this.#count();
  }

  /** Main has answered: sends what there is room for. Viewers for whom there is none ask again in their turn. */
  answer(answer: JoinAnswer): void {
    const { id, frame } = answer;
    const viewers = this.#outbox.answered(id);
    const isLarge = frame !== null && frame.length > this.#mostWhole;
    const large = isLarge ? this.#keep(answer, viewers) : null;
    for (const viewer of viewers) {
      this.#counters.add('work', 1);
      const step = this.#steps.get(viewer);
      if (viewer.closed) continue;
      if (step === undefined) send(viewer, answer);
      else if (isLarge) this.#sendLarge(viewer, step, answer, large);
      else this.#sendWhole(viewer, step, answer);
    }
    if (large !== null) this.#drop(large);
    this.#goOn();
  }

  /** The socket's buffer has shrunk. */
  drained(viewer: Viewer): void {
    const step = this.#steps.get(viewer);
    if (step?.phase !== 'sent' || viewer.closed) return;
    if (step.progress !== null) step.deadline = performance.now() + this.#limits.slowClose;
    this.#settle(viewer, step);
    this.#goOn();
  }

  /** A pong with this payload has come: true when it tells how far the viewer has read. */
  ponged(viewer: Viewer, payload: ArrayBuffer): boolean {
    const step = this.#steps.get(viewer);
    if (step?.progress == null) return false;
    const { token, pings, pongs } = step.progress;
    const text = Buffer.from(payload).toString('latin1');
    const number = text.startsWith(token) ? Number(text.slice(token.length)) : 0;
    // Of several pings a client may answer the last one only.
    if (!(number > pongs && number <= pings)) return false;
    step.progress.pongs = number;
    step.deadline = performance.now() + this.#limits.slowClose;
    this.#settle(viewer, step);
    this.#goOn();
    return true;
  }

  gone(viewer: Viewer): void {
    const step = this.#steps.get(viewer);
    if (step === undefined) return;
    if (step.phase === 'waiting') step.lane.leave(viewer);
    this.#release(step);
    this.#steps.delete(viewer);
    this.#ready.delete(viewer);
    this.#goOn();
  }

  /** Closes viewers that have not read for too long. Called once a second. */
  sweep(): void {
    const now = performance.now();
    for (const [viewer, { phase, deadline, latest }] of this.#steps) {
      if (phase === 'sent' && now >= Math.min(deadline, latest)) this.#slow.sendAway(viewer);
    }
  }

  /** Main makes a step no larger than this, but for single batches. */
  get #stepBytes(): number {
    return this.#limits.maxBackpressure / 2;
  }

  get #mostWhole(): number {
    return Math.max(WHOLE_BYTES, this.#stepBytes);
  }

  /** Puts a viewer in line for its next step. */
  #want(viewer: Viewer): void {
    const step: Step = {
      phase: 'waiting',
      lane: this.#whole,
      needs: this.#stepBytes,
      bytes: 0,
      large: null,
      progress: null,
      deadline: 0,
      latest: 0,
    };
    this.#steps.set(viewer, step);
    this.#whole.wait(viewer);
    this.#askWhole();
  }

  /** Back into the line: the step is larger than what was set aside for it. */
  #wantMore(viewer: Viewer, step: Step, lane: Lane, needs: number): void {
    this.#release(step);
    step.phase = 'waiting';
    step.lane = lane;
    step.needs = needs;
    lane.wait(viewer);
  }

  #askWhole(): void {
    for (let viewer = this.#whole.next(); viewer !== undefined; viewer = this.#whole.next()) {
      const step = this.#steps.get(viewer);
      if (step === undefined || !this.#whole.fits(step.needs)) return;
      this.#take(step, step.needs);
      this.#ask(viewer, step);
    }
  }

  /**
   * Asks for large frames, each for all viewers that wait for the same: it is held once. The first piece has its room in
   * the socket before the frame is asked for. Otherwise the frame would come, find no room, and be asked for again.
   */
  #askLarge(): void {
    for (let viewer = this.#large.next(); viewer !== undefined; viewer = this.#large.next()) {
      const bytes = this.#steps.get(viewer)?.needs ?? 0;
      if (!this.#large.fits(bytes) || !this.#whole.fits(PIECE_BYTES)) return;
      const large: LargeFrame = { key: '', bytes, viewers: 0, data: null };
      this.#large.used += bytes;
      for (const alike of this.#large.alike(viewer)) {
        const step = this.#steps.get(alike);
        if (step === undefined) throw new Error('a viewer waits without a step');
        if (!this.#whole.fits(PIECE_BYTES)) break;
        step.large = large;
        large.viewers += 1;
        this.#ask(alike, step);
        step.lane = this.#whole;
        this.#take(step, PIECE_BYTES);
      }
    }
  }

  #ask(viewer: Viewer, step: Step): void {
    step.lane.leave(viewer);
    step.phase = 'asked';
    if (viewer.point !== undefined) this.#outbox.ask(viewer, viewer.point);
  }

  #sendWhole(viewer: Viewer, step: Step, answer: JoinAnswer): void {
    const bytes = answer.frame?.length ?? 0;
    if (bytes > step.bytes) {
      const isNext = this.#whole.length === 0 && this.#whole.fits(bytes - step.bytes);
      if (!isNext) {
        this.#wantMore(viewer, step, this.#whole, bytes);
        return;
      }
    }
    this.#release(step);
    step.lane = this.#whole;
    send(viewer, answer);
    if (!answer.live) viewer.point = { kind: 'next', seq: answer.reached };
    this.#begin(step, bytes);
    this.#settle(viewer, step);
  }

  /** The large frame that an answer's viewers are sent; null when there is no room for it. */
  #keep({ frame, reached }: JoinAnswer, viewers: readonly Viewer[]): LargeFrame | null {
    const [viewer] = viewers;
    if (viewer === undefined || frame === null) return null;
    // Some may be under way with the very same batches.
    const key = `${viewer.room} ${viewer.codec} ${JSON.stringify(viewer.point)} ${reached}`;
    const known = this.#frames.get(key);
    if (known !== undefined) return known;
    const asked = viewers.map((other) => this.#steps.get(other)?.large).find((large) => large != null);
    if (asked === undefined && (this.#large.length > 0 || !this.#large.fits(frame.length))) return null;
    const large = asked ?? { key, bytes: 0, viewers: 0, data: null };
    this.#large.used += frame.length - large.bytes;
    large.key = key;
    large.bytes = frame.length;
    large.data = frame;
    this.#frames.set(key, large);
    return large;
  }

  #drop(large: LargeFrame): void {
    if (large.viewers > 0) return;
    this.#large.used -= large.bytes;
    large.bytes = 0;
    this.#frames.delete(large.key);
  }

  #sendLarge(viewer: Viewer, step: Step, answer: JoinAnswer, large: LargeFrame | null): void {
    const bytes = answer.frame?.length ?? 0;
    if (large === null || !this.#whole.fits(PIECE_BYTES - step.bytes)) {
      this.#wantMore(viewer, step, this.#large, bytes);
      return;
    }
    // Counted before what it had is given back: the frame must not be counted out in between.
    large.viewers += 1;
    this.#release(step);
    step.large = large;
    step.lane = this.#whole;
    this.#take(step, PIECE_BYTES);
    if (answer.welcome !== null) viewer.welcome(answer.welcome);
    viewer.point = { kind: 'next', seq: answer.reached };
    this.#begin(step, bytes);
    step.progress = { offset: 0, token: randomBytes(8).toString('hex'), pings: 0, pongs: 0 };
    this.#ready.add(viewer);
    this.#schedule();
  }

  #begin(step: Step, bytes: number): void {
    const { slowClose, maxBackpressure } = this.#limits;
    step.phase = 'sent';
    step.deadline = performance.now() + slowClose;
    step.latest = step.deadline + (bytes * 1_000) / maxBackpressure;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#sendPieces());
  }

  #sendPieces(): void {
    this.#scheduled = false;
    this.#counters.add('work', 1);
    let left = BYTES_A_TURN;
    for (const viewer of this.#ready) {
      if (left <= 0) break;
      this.#ready.delete(viewer);
      const step = this.#steps.get(viewer);
      if (step === undefined || viewer.closed) continue;
      this.#sendPiece(viewer, step);
      left -= PIECE_BYTES;
      this.#settle(viewer, step);
    }
    if (this.#ready.size > 0) this.#schedule();
    this.#goOn();
  }

  #sendPiece(viewer: Viewer, { large, progress }: Step): void {
    const data = large?.data;
    if (data == null || progress === null) return;
    progress.offset = viewer.sendPiece(data, progress.offset);
    if (progress.offset < data.length && progress.offset % (PIECES_A_PING * PIECE_BYTES) > 0) return;
    progress.pings += 1;
    viewer.ping(`${progress.token}${progress.pings}`);
  }

  /** Counts what is still in the buffer; once that is read, goes on. */
  #settle(viewer: Viewer, step: Step): void {
    const { buffered, point } = viewer;
    const { progress, large } = step;
    this.#take(step, buffered - step.bytes);
    if (progress !== null) {
      const unanswered = progress.pings - progress.pongs;
      if (progress.offset < (large?.bytes ?? 0)) {
        if (buffered > 0 || unanswered >= MOST_PINGS) return;
        this.#ready.add(viewer);
        this.#schedule();
        return;
      }
      if (unanswered > 0) return;
    }
    // A live viewer may have as much waiting as any.
    if (buffered > (point === undefined ? this.#stepBytes : 0)) return;
    this.#release(step);
    this.#steps.delete(viewer);
    if (point !== undefined) this.#want(viewer);
  }

  #take(step: Step, bytes: number): void {
    step.bytes += bytes;
    step.lane.used += bytes;
  }

  /** Gives back everything that counts for a step. */
  #release(step: Step): void {
    this.#take(step, -step.bytes);
    const { large } = step;
    step.large = null;
    if (large === null) return;
    large.viewers -= 1;
    this.#drop(large);
  }

  /** There may be room again. */
  #goOn(): void {
    this.#askWhole();
    this.#askLarge();
    this.#count();
  }

  #count(): void {
    this.#counters.set('catchUpBytes', this.#whole.used + this.#large.used);
    this.#counters.set('joinsWaiting', this.#whole.length + this.#large.length);
  }
}

/** The messages of an answer, in one system call. */
function send(viewer: Viewer, { welcome, frame, recall, live }: JoinAnswer): void {
  viewer.cork(() => {
    if (welcome !== null) viewer.welcome(welcome);
    if (frame !== null) viewer.sendFrame(frame);
    if (recall !== null) viewer.sendText(recall);
    if (live) viewer.subscribe();
  });
}

/** A budget of bytes, and the viewers that wait for some of it. */
class Lane {
  readonly #most: number;
  /** By room: many viewers of one room must not keep those of another waiting. Rooms take turns. */
  readonly #waiting = new Map<string, Set<Viewer>>();
  #length = 0;
  used = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many wait. */
  get length(): number {
    return this.#length;
  }

  /** Where nothing is under way, everything fits: one batch may be larger than the budget. */
  fits(bytes: number): boolean {
    return this.used === 0 || this.used + bytes <= this.#most;
  }

  wait(viewer: Viewer): void {
    const ofRoom = this.#waiting.get(viewer.room);
    if (ofRoom === undefined) this.#waiting.set(viewer.room, new Set([viewer]));
    else ofRoom.add(viewer);
    this.#length += 1;
  }

  /** The viewer whose turn it is. */
  next(): Viewer | undefined {
    for (const ofRoom of this.#waiting.values()) {
      for (const viewer of ofRoom) return viewer;
    }
    return undefined;
  }

  /** Takes a viewer out of the line; the next turn is another room's. */
  leave(viewer: Viewer): void {
    const ofRoom = this.#waiting.get(viewer.room);
    if (!ofRoom?.delete(viewer)) return;
    this.#length -= 1;
    this.#waiting.delete(viewer.room);
    if (ofRoom.size > 0) this.#waiting.set(viewer.room, ofRoom);
  }

  /** Those who wait for the very same bytes as `viewer`, itself included. */
  alike({ room, codec, point }: Viewer): Viewer[] {
    const wanted = JSON.stringify(point);
    const ofRoom = this.#waiting.get(room) ?? [];
    return [...ofRoom].filter((other) => other.codec === codec && JSON.stringify(other.point) === wanted);
  }
}
