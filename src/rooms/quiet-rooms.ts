import type { Clock } from '../clock.ts';
import type { Room } from './room.ts';

/** How often rooms are looked at, at most, in ms. */
const LOOK_MS = 1_000;

/** Rooms with viewers, by how long those have heard nothing: after `heartbeat` ms a room is told of, and again. */
export class QuietRooms {
  readonly #clock: Clock;
  readonly #heartbeat: number;
  readonly #onQuiet: (room: Room) => void;
  /** The one that has been quiet longest first, since whoever is heard goes to the end. */
  readonly #rooms = new Set<Room>();
  #disarm: (() => void) | undefined;

  constructor(clock: Clock, heartbeat: number, onQuiet: (room: Room) => void) {
    this.#clock = clock;
    this.#heartbeat = heartbeat;
    this.#onQuiet = onQuiet;
  }

  /** Watches a room that got its first viewer. One that is watched goes on being quiet. */
  add(room: Room): void {
    if (!this.#rooms.has(room)) this.heard(room);
  }

  /** The room's viewers, if it has any, heard something now. */
  heard(room: Room): void {
    room.heardAt = this.#clock.now();
    this.#rooms.delete(room);
    if (room.viewers > 0) this.#rooms.add(room);
    if (this.#rooms.size > 0) this.#disarm ??= this.#arm();
  }

  /** Nobody watches the room any more. */
  drop(room: Room): void {
    this.#rooms.delete(room);
  }

  stop(): void {
    this.#disarm?.();
    this.#disarm = undefined;
  }

  #arm(): () => void {
    return this.#clock.after(Math.min(this.#heartbeat, LOOK_MS), () => this.#look());
  }

  #look(): void {
    const latest = this.#clock.now() - this.#heartbeat;
    for (const room of this.#rooms) {
      if (room.heardAt > latest) break;
      this.#onQuiet(room);
      this.heard(room);
    }
    this.#disarm = this.#rooms.size > 0 ? this.#arm() : undefined;
  }
}
