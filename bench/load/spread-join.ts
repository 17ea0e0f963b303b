/** Copies of one frame over all threads. */
interface Spreading {
  readonly bornAt: number;
  first: number;
  last: number;
  count: number;
}

/** A frame that some viewer never got is forgotten after so many ms. */
const KEPT_MS = 60_000;

/** Puts together what the threads saw of each frame: how long it took from its first to its last viewer. */
export class SpreadJoin {
  readonly #viewers: Int32Array;
  readonly #record: (spread: number) => void;
  readonly #rooms = new Map<number, Map<number, Spreading>>();

  /**
   * @param viewers how many steady viewers each room has
   * @param record is told the spread, in ms, of every frame that they all had; nothing where a room has only one
   */
  constructor(viewers: Int32Array, record: (spread: number) => void) {
    this.#viewers = Int32Array.from(viewers);
    this.#record = record;
  }

  /** `count` steady viewers of a thread got the frame, between `first` and `last`, ms. */
  add(room: number, seq: number, first: number, last: number, count: number, now: number): void {
    const viewers = this.#viewers[room] ?? 0;
    if (viewers < 2) return;
    let frames = this.#rooms.get(room);
    if (frames === undefined) {
      frames = new Map();
      this.#rooms.set(room, frames);
    }
    let frame = frames.get(seq);
    if (frame === undefined) {
      frame = { bornAt: now, first, last, count: 0 };
      frames.set(seq, frame);
    }
    frame.first = Math.min(frame.first, first);
    frame.last = Math.max(frame.last, last);
    frame.count += count;
    if (frame.count < viewers) return;
    this.#record(frame.last - frame.first);
    frames.delete(seq);
  }

  /** A steady viewer of the room is gone. */
  lose(room: number): void {
    this.#viewers[room] = (this.#viewers[room] ?? 0) - 1;
  }

  /** Forgets frames that not every viewer had within a minute. */
  forget(now: number): void {
    for (const frames of this.#rooms.values()) {
      for (const [seq, { bornAt }] of frames) {
        if (now - bornAt < KEPT_MS) break;
        frames.delete(seq);
      }
    }
  }
}
