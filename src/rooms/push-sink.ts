import type { StoredBatch } from '../store/store.ts';
import type { Room } from './room.ts';

/** Where pushes go. It calls `Rooms.committed` when every shard has been told. */
export interface PushSink {
  /**
   * Pushes `batches`, one message a codec, to the room's viewers, and after it the ids of recalled comments. Either may
   * be empty, not both. At most one push a room is under way.
   */
  push(room: Room, batches: readonly StoredBatch[], recalled: readonly string[]): void;
  /** Tells the viewers of a quiet room that the link lives. May be dropped. */
  pushPresence(room: Room): void;
}
