import { REFUSALS, type Refusal, type RefusalCode } from '../src/codes.ts';
import { BOUNDS, type Draft } from '../src/comment.ts';
import { checkComment, describeTextRefusal, type Identity } from '../src/comment-check.ts';
import type { ShardCounters } from '../src/counters.ts';
import { FEW_OF_ROOM, leavesEnough } from '../src/fair-share.ts';
import { encodeMessage } from '../src/frames/messages.ts';
import type { ShardLimits, ToShard } from '../src/shards/messages.ts';
import type { Outbox } from './outbox.ts';
import { EXCESS, type RoomCount, type Traffic } from './traffic.ts';
import type { Viewer } from './viewer.ts';

/** Comments of one viewer that main has not answered yet. */
const MOST_OF_ONE = 256;

/** A viewer with fewer waiting than this has its part of what its room's loud ones leave. */
const FEW_OF_ONE = 2;

/** Of one shard, where that is more than four rooms may have: a MessagePort has no backpressure of its own. */
const LEAST_OF_SHARD = 4_096;

/** Rooms that are counted before those with nothing to count are left out. */
const LEAST_ROOMS = 1_024;

/** What nobody means as a comment. */
const NONSENSE: ReadonlySet<RefusalCode> = new Set(['NOT_JSON', 'NOT_AN_OBJECT', 'BINARY_MESSAGE', 'TOO_LARGE']);

/** What may be taken later, and is refused again if its sender goes on at once. */
const LATER: ReadonlySet<RefusalCode> = new Set(['BUSY', 'ROOM_BUSY', 'SHUTTING_DOWN']);

const SPACE = 0x20;
const OPENING = 0x7b;
const CLOSING = 0x7d;
/** What JSON begins with that is no object: an array, a string, a number, true, false, null. */
const OTHERS_OF_JSON: ReadonlySet<number> = new Set(Buffer.from('["-0123456789tfn'));

type Receipts = Extract<ToShard, { kind: 'receipts' }>;

interface Sent {
  readonly viewer: Viewer;
  readonly traffic: Traffic;
  readonly room: RoomCount;
  readonly ref: string | undefined;
}

/**
 * What viewers send: reads it, hands comments to main, and tells each sender what became of them.
 *
 * Quotas of comments that main has not answered nest: viewer < room < shard. What a loud one takes leaves the others
 * theirs, rooms in the shard as viewers in their room.
 */
export class Senders {
  readonly #limits: ShardLimits;
  readonly #identity: Identity;
  readonly #outbox: Outbox;
  readonly #counters: ShardCounters;
  readonly #most: number;
  /** What it weighs when a comment is refused that may be sent again after `interval`: senders that heed it are no flood. */
  readonly #weightOfLater: number;
  readonly #unanswered = new Map<number, Sent>();
  /** Of these, how many are of each room. A room with none stays until there are many. */
  readonly #rooms = new Map<string, RoomCount>();
  #mostRooms = LEAST_ROOMS;
  #next = 1;
  #quiesced = false;

  constructor(limits: ShardLimits, outbox: Outbox, counters: ShardCounters) {
    this.#limits = limits;
    this.#identity = limits.viewerNames ? 'name' : 'none';
    this.#outbox = outbox;
    this.#counters = counters;
    this.#most = Math.max(LEAST_OF_SHARD, 4 * limits.maxPending);
    this.#weightOfLater = EXCESS.refused * Math.min(1, limits.interval / 1_000);
  }

  /** From now on every comment is refused `SHUTTING_DOWN`. */
  quiesce(): void {
    this.#quiesced = true;
  }

  /** Refuses what is no comment and looks like none: true where it did. It costs next to nothing. */
  refuseAtSight(viewer: Viewer, traffic: Traffic, bytes: Buffer, isBinary: boolean): boolean {
    const code = this.#judgeAtSight(bytes, isBinary);
    if (code === undefined) return false;
    this.#refuse(viewer, traffic, undefined, code);
    return true;
  }

  /** Takes a message that was not refused at sight, or gives the code that its sender is refused with. */
  receive(viewer: Viewer, traffic: Traffic, bytes: Buffer): RefusalCode | undefined {
    const message = parseObject(bytes);
    if (typeof message === 'string') return this.#refuse(viewer, traffic, undefined, message);
    const { ref } = message;
    if (ref !== undefined && !isRef(ref)) return this.#refuse(viewer, traffic, undefined, 'REF_INVALID');
    const draft = this.#check(message);
    if (typeof draft === 'string') return this.#refuse(viewer, traffic, ref, draft, this.#describe(draft, message));
    const room = this.#countOf(viewer.room, traffic);
    const over = this.#quiesced ? 'SHUTTING_DOWN' : this.#findOver(room.unanswered, traffic.unanswered);
    if (over !== undefined) return this.#refuse(viewer, traffic, ref, over);
    const number = this.#next;
    this.#next += 1;
    this.#unanswered.set(number, { viewer, traffic, room, ref });
    room.unanswered += 1;
    traffic.unanswered += 1;
    this.#outbox.comment(number, viewer.room, draft);
    return undefined;
  }

  #judgeAtSight(bytes: Buffer, isBinary: boolean): RefusalCode | undefined {
    if (isBinary) return 'BINARY_MESSAGE';
    if (bytes.length > this.#limits.maxMessage) return 'TOO_LARGE';
    return couldBeJson(bytes) ? undefined : 'NOT_JSON';
  }

  #check(message: Record<string, unknown>): Draft | RefusalCode {
    return message.type === 'comment' ? checkComment(message, this.#limits.maxText, this.#identity) : 'UNKNOWN_TYPE';
  }

  /** The quota that one more comment would be over, if any. */
  #findOver(ofRoom: number, ofViewer: number): RefusalCode | undefined {
    const all = this.#unanswered.size;
    if (all >= this.#most || ofViewer >= MOST_OF_ONE) return 'BUSY';
    const isFair =
      leavesEnough(ofRoom, all, this.#most, FEW_OF_ROOM) &&
      leavesEnough(ofViewer, ofRoom, this.#limits.maxPending, FEW_OF_ONE);
    return isFair ? undefined : 'ROOM_BUSY';
  }

  /** Tells senders what main says of their comments. */
  deliver(receipts: Receipts): void {
    const { stored, failed } = receipts;
    for (let i = 0; i < stored.length; i += 3) {
      const sent = this.#take(stored[i] ?? 0);
      if (sent === undefined) continue;
      const seq = stored[i + 1] ?? 0;
      const { viewer, ref } = sent;
      viewer.sendText(encodeMessage({ type: 'ack', ref, id: `${seq}.${stored[i + 2]}`, seq }));
    }
    for (const { number, ...refusal } of failed) {
      const sent = this.#take(number);
      if (sent === undefined) continue;
      if (LATER.has(refusal.code)) sent.traffic.exceed(this.#weightOfLater, performance.now());
      sendRefusal(sent.viewer, sent.ref, refusal);
    }
  }

  /** Tells a sender that `count` messages, its `first` and those after it, were dropped unread. */
  tellDropped(viewer: Viewer, first: number, count: number): void {
    const code = 'RATE_LIMITED';
    const retryAfterMs = viewer.traffic?.forgivenIn;
    const { message } = REFUSALS[code];
    viewer.sendText(encodeMessage({ type: 'refused', code, message, retryAfterMs, first, count }));
  }

  #take(number: number): Sent | undefined {
    const sent = this.#unanswered.get(number);
    if (sent === undefined) return undefined;
    this.#unanswered.delete(number);
    sent.traffic.unanswered -= 1;
    sent.room.unanswered -= 1;
    return sent;
  }

  #countOf(name: string, traffic: Traffic): RoomCount {
    if (traffic.room?.listed) return traffic.room;
    traffic.room = this.#rooms.get(name) ?? this.#list(name);
    return traffic.room;
  }

  #list(name: string): RoomCount {
    if (this.#rooms.size >= this.#mostRooms) {
      for (const [other, count] of this.#rooms) {
        count.listed = count.unanswered > 0;
        if (!count.listed) this.#rooms.delete(other);
      }
      this.#mostRooms = Math.max(LEAST_ROOMS, 2 * this.#rooms.size);
    }
    const count = { unanswered: 0, listed: true };
    this.#rooms.set(name, count);
    return count;
  }

  /** Refuses here, which main never hears of: the shard counts it. */
  #refuse(
    viewer: Viewer,
    traffic: Traffic,
    ref: string | undefined,
    code: RefusalCode,
    message: string = REFUSALS[code].message,
  ): RefusalCode {
    this.#counters.add(code, 1);
    traffic.exceed(this.#weigh(code), performance.now());
    sendRefusal(
      viewer,
      ref,
      LATER.has(code) ? { code, message, retryAfterMs: this.#limits.interval } : { code, message },
    );
    return code;
  }

  /** The sentence for a text that is refused names the rule that it breaks. */
  #describe(code: RefusalCode, message: Record<string, unknown>): string {
    return code === 'TEXT_INVALID' ? describeTextRefusal(message.text, this.#limits.maxText) : REFUSALS[code].message;
  }

  #weigh(code: RefusalCode): number {
    if (NONSENSE.has(code)) return EXCESS.nonsense;
    return LATER.has(code) ? this.#weightOfLater : EXCESS.refused;
  }
}

function sendRefusal(viewer: Viewer, ref: string | undefined, refusal: Refusal): void {
  const { code, message = REFUSALS[code].message, retryAfterMs } = refusal;
  viewer.sendText(encodeMessage({ type: 'refused', ref, code, message, retryAfterMs }));
}

/** uWebSockets.js has checked that a text message is UTF-8. */
function parseObject(bytes: Buffer): Record<string, unknown> | RefusalCode {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return 'NOT_JSON';
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'NOT_AN_OBJECT';
  return value as Record<string, unknown>;
}

/** False for most of what is no JSON: an error that is thrown costs as much as several comments. */
function couldBeJson(bytes: Buffer): boolean {
  let start = 0;
  while (start < bytes.length && (bytes[start] ?? 0) <= SPACE) start += 1;
  const first = bytes[start];
  if (first !== OPENING) return first !== undefined && OTHERS_OF_JSON.has(first);
  let end = bytes.length - 1;
  while ((bytes[end] ?? 0) <= SPACE) end -= 1;
  return bytes[end] === CLOSING;
}

function isRef(ref: unknown): ref is string {
  return typeof ref === 'string' && ref.length >= 1 && ref.length <= BOUNDS.ref;
}
