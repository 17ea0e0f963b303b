/** What is known of one batch: when its comments were to be sent, and when sampled viewers got it. */
interface Batch {
  readonly bornAt: number;
  readonly sent: number[];
  readonly received: number[];
}

/** A batch is forgotten so many ms after it was first heard of. */
const KEPT_MS = 60_000;

/**
 * Joins what senders know (this comment is in that batch, and was to be sent then) with what viewers know (that batch
 * came now). Either may be told first. Every comment gives a latency for every sampled viewer of its room.
 */
export class LatencyJoin {
  /** Sampled viewers by room. */
  readonly #viewers: ArrayLike<number>;
  readonly #record: (latency: number) => void;
  readonly #rooms = new Map<number, Map<number, Batch>>();

  /**
   * @param viewers how many sampled viewers each room has; where there are none, nothing is kept
   * @param record is told every latency, in ms
   */
  constructor(viewers: ArrayLike<number>, record: (latency: number) => void) {
    this.#viewers = viewers;
    this.#record = record;
  }

  /** A comment of batch `seq` was to be sent at `at`, ms. */
  addSent(room: number, seq: number, at: number, now: number): void {
    const viewers = this.#viewers[room] ?? 0;
    if (viewers === 0) return;
    const { sent, received } = this.#find(room, seq, now);
    for (const receivedAt of received) this.#record(receivedAt - at);
    if (received.length < viewers) sent.push(at);
  }

  /** A sampled viewer got batch `seq` at `at`, ms. */
  addReceived(room: number, seq: number, at: number, now: number): void {
    const { sent, received } = this.#find(room, seq, now);
    for (const sentAt of sent) this.#record(at - sentAt);
    received.push(at);
    if (received.length >= (this.#viewers[room] ?? 0)) sent.length = 0;
  }

  /** Forgets what is older than a minute. */
  forget(now: number): void {
    for (const batches of this.#rooms.values()) {
      // Insertion order is the order of birth.
      for (const [seq, { bornAt }] of batches) {
        if (now - bornAt < KEPT_MS) break;
        batches.delete(seq);
      }
    }
  }

  /** Batches that are remembered. */
  get size(): number {
    let size = 0;
    for (const batches of this.#rooms.values()) size += batches.size;
    return size;
  }

  #find(room: number, seq: number, now: number): Batch {
    let batches = this.#rooms.get(room);
    if (batches === undefined) {
      batches = new Map();
      this.#rooms.set(room, batches);
    }
    let batch = batches.get(seq);
    if (batch === undefined) {
      batch = { bornAt: now, sent: [], received: [] };
      batches.set(seq, batch);
    }
    return batch;
  }
}
