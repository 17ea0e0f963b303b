/** Copies of one batch over all threads. */
interface Spreading {
  readonly bornAt: number;
  first: number;
  last: number;
  count: number;
  isTold: boolean;
}

/** A batch that some viewer never got is given up after so many ms. */
const KEPT_MS = 60_000;

/** Puts together what the threads saw of each batch: how long it took from its first to its last viewer. */
export class SpreadJoin {
  readonly #viewers: Int32Array;
  readonly #record: (spread: number) => void;
  readonly #rooms = new Map<number, Map<number, Spreading>>();
  /** When the first batch since `begin` had its first viewer, by room. */
  readonly #firsts = new Map<number, number>();
  /** Rooms that have lost a viewer: its copies count for another's, whose own come when the batch was told already. */
  readonly #losing = new Set<number>();
  #beganAt = Number.POSITIVE_INFINITY;
  #givenUp = 0;

  /**
   * @param viewers how many steady viewers each room has
   * @param record is told the spread, in ms, of every batch that they all had; nothing where a room has only one
   */
  constructor(viewers: Int32Array, record: (spread: number) => void) {
    this.#viewers = Int32Array.from(viewers);
    this.#record = record;
  }

  /** Batches that no viewer had before `at`, ms, are told; until this is called, none is. */
  begin(at: number): void {
    this.#beganAt = at;
  }

  /** `count` steady viewers of a thread got the batch, between `first` and `last`, ms. */
  add(room: number, seq: number, first: number, last: number, count: number, now: number): void {
    const viewers = this.#viewers[room] ?? 0;
    if (viewers < 2) return;
    const batches = this.#batchesOf(room);
    let batch = batches.get(seq);
    if (batch === undefined) {
      batch = { bornAt: now, first, last, count: 0, isTold: false };
      batches.set(seq, batch);
    }
    batch.first = Math.min(batch.first, first);
    batch.last = Math.max(batch.last, last);
    batch.count += count;
    if (batch.count < viewers || batch.isTold) return;
    batch.isTold = true;
    this.#noteFirst(room, batch.first);
    if (batch.first >= this.#beganAt) this.#record(batch.last - batch.first);
    if (!this.#losing.has(room)) batches.delete(seq);
  }

  /** A steady viewer of the room is gone. */
  lose(room: number): void {
    this.#viewers[room] = (this.#viewers[room] ?? 0) - 1;
    this.#losing.add(room);
  }

  /** Gives up batches that not every viewer had within a minute. */
  forget(now: number): void {
    for (const [room, batches] of this.#rooms) {
      for (const [seq, batch] of batches) {
        if (now - batch.bornAt < KEPT_MS) break;
        if (this.#isIncomplete(room, batch)) this.#givenUp += 1;
        this.#noteFirst(room, batch.first);
        batches.delete(seq);
      }
    }
  }

  /** Batches that somebody had by `before`, ms, and some steady viewer never. */
  countIncomplete(before: number): number {
    let incomplete = this.#givenUp;
    for (const [room, batches] of this.#rooms) {
      for (const batch of batches.values())
        if (batch.first <= before && this.#isIncomplete(room, batch)) incomplete += 1;
    }
    return incomplete;
  }

  /** Whether a viewer of the room had a batch since `begin` and by `before`, ms. */
  hasSpread(room: number, before: number): boolean {
    for (const { first } of this.#rooms.get(room)?.values() ?? []) this.#noteFirst(room, first);
    return (this.#firsts.get(room) ?? Number.POSITIVE_INFINITY) <= before;
  }

  #batchesOf(room: number): Map<number, Spreading> {
    let batches = this.#rooms.get(room);
    if (batches === undefined) {
      batches = new Map();
      this.#rooms.set(room, batches);
    }
    return batches;
  }

  #noteFirst(room: number, first: number): void {
    if (first < this.#beganAt) return;
    if (first < (this.#firsts.get(room) ?? Number.POSITIVE_INFINITY)) this.#firsts.set(room, first);
  }

  #isIncomplete(room: number, { first, count }: Spreading): boolean {
    return first >= this.#beganAt && count < (this.#viewers[room] ?? 0);
  }
}
