import { REFUSALS, type Refusal, type RefusalCode } from '../src/codes.ts';
import { BOUNDS, type Draft } from '../src/comment.ts';
import { checkComment, describeTextRefusal } from '../src/intake/comment-check.ts';
import type { ShardCounters } from '../src/shards/counters.ts';
import type { ShardLimits, ToShard } from '../src/shards/messages.ts';
import type { Outbox } from './outbox.ts';
import type { Viewer } from './viewer.ts';

/** Comments of one shard that main has not answered yet. A MessagePort has no backpressure of its own. */
const MOST_UNANSWERED = 4_096;

/** Of these, the comments of one viewer: a flood must leave room for the shard's other senders. */
const MOST_OF_ONE = 256;

type Receipts = Extract<ToShard, { kind: 'receipts' }>;

interface Sent {
  readonly viewer: Viewer;
  readonly ref: string | undefined;
}

/** What viewers send: reads and bounds it, hands comments to main, and tells each sender what became of them. */
export class Senders {
  readonly #limits: ShardLimits;
  readonly #outbox: Outbox;
  readonly #counters: ShardCounters;
  readonly #unanswered = new Map<number, Sent>();
  #next = 1;
  #quiesced = false;

  constructor(limits: ShardLimits, outbox: Outbox, counters: ShardCounters) {
    this.#limits = limits;
    this.#outbox = outbox;
    this.#counters = counters;
  }

  /** From now on every comment is refused `SHUTTING_DOWN`. */
  quiesce(): void {
    this.#quiesced = true;
  }

  /** Takes a message. `bytes` lie on uWebSockets.js' stack and are copied before this returns. */
  receive(viewer: Viewer, bytes: ArrayBuffer, isBinary: boolean): void {
    this.#counters.add('messagesReceived', 1);
    const message = this.#read(bytes, isBinary);
    if (typeof message === 'string') {
      this.#refuse(viewer, undefined, message);
      return;
    }
    const { ref } = message;
    if (ref !== undefined && !isRef(ref)) {
      this.#refuse(viewer, undefined, 'REF_INVALID');
      return;
    }
    const draft = this.#check(viewer, message);
    if (typeof draft === 'string') {
      const { maxText } = this.#limits;
      this.#refuse(
        viewer,
        ref,
        draft,
        draft === 'TEXT_INVALID' ? describeTextRefusal(message.text, maxText) : undefined,
      );
      return;
    }
    const number = this.#next;
    this.#next += 1;
    this.#unanswered.set(number, { viewer, ref });
    viewer.unanswered += 1;
    this.#outbox.comment(number, viewer.room, draft);
  }

  #read(bytes: ArrayBuffer, isBinary: boolean): Record<string, unknown> | RefusalCode {
    if (isBinary) return 'BINARY_MESSAGE';
    if (bytes.byteLength > this.#limits.maxMessage) return 'TOO_LARGE';
    return parseObject(bytes);
  }

  #check(viewer: Viewer, message: Record<string, unknown>): Draft | RefusalCode {
    if (message.type !== 'comment') return 'UNKNOWN_TYPE';
    const draft = checkComment(message, this.#limits.maxText, false);
    if (typeof draft === 'string') return draft;
    if (this.#quiesced) return 'SHUTTING_DOWN';
    return this.#unanswered.size < MOST_UNANSWERED && viewer.unanswered < MOST_OF_ONE ? draft : 'BUSY';
  }

  /** Tells senders what main says of their comments. */
  deliver(receipts: Receipts): void {
    const { stored, failed } = receipts;
    for (let i = 0; i < stored.length; i += 3) {
      const sent = this.#take(stored[i] ?? 0);
      if (sent === undefined) continue;
      const seq = stored[i + 1] ?? 0;
      const { viewer, ref } = sent;
      viewer.sendText(JSON.stringify({ type: 'ack', ref, id: `${seq}.${stored[i + 2]}`, seq }));
    }
    for (const { number, ...refusal } of failed) {
      const sent = this.#take(number);
      if (sent !== undefined) sendRefusal(sent.viewer, sent.ref, refusal);
    }
  }

  #take(number: number): Sent | undefined {
    const sent = this.#unanswered.get(number);
    this.#unanswered.delete(number);
    if (sent !== undefined) sent.viewer.unanswered -= 1;
    return sent;
  }

  /** Refuses here, which main never hears of: the shard counts it. */
  #refuse(viewer: Viewer, ref: string | undefined, code: RefusalCode, message: string = REFUSALS[code].message): void {
    this.#counters.add(code, 1);
    const retry = code === 'BUSY' || code === 'SHUTTING_DOWN';
    sendRefusal(viewer, ref, retry ? { code, message, retryAfterMs: this.#limits.interval } : { code, message });
  }
}

function sendRefusal(viewer: Viewer, ref: string | undefined, refusal: Refusal): void {
  const { code, message = REFUSALS[code].message, retryAfterMs } = refusal;
  viewer.sendText(JSON.stringify({ type: 'refused', ref, code, message, retryAfterMs }));
}

/** uWebSockets.js has checked that a text message is UTF-8. */
function parseObject(bytes: ArrayBuffer): Record<string, unknown> | RefusalCode {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return 'NOT_JSON';
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'NOT_AN_OBJECT';
  return value as Record<string, unknown>;
}

function isRef(ref: unknown): ref is string {
  return typeof ref === 'string' && ref.length >= 1 && ref.length <= BOUNDS.ref;
}
