import type { Database, RootDatabase } from 'lmdb';
import {
  type BatchKey,
  decodeBatchKey,
  decodeOrderKey,
  decodePlace,
  decodeSeq,
  encodeOrderKey,
  encodePlace,
  encodeRoom,
  MOST_U48,
} from './lmdb-keys.ts';

type Table = Database<Uint8Array, Uint8Array>;

/** What LMDB's `getStats` gives of one table, as far as it is used here; lmdb's types do not tell. */
interface TableStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
  readonly entryCount: number;
}

/** A batch as it lies in `batches`. */
export interface FoundBatch extends BatchKey {
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
}

/** An entry of `order`: which batch is how old. */
export interface OrderEntry {
  readonly key: Uint8Array;
  readonly at: number;
  readonly room: string;
  readonly seq: number;
  /** How the batch's key in `batches` begins. */
  readonly place: Uint8Array;
}

/**
 * The named databases of one LMDB environment, and how to look things up in them. What it hands out are copies, which
 * LMDB never writes to.
 */
export class LmdbTables {
  readonly batches: Table;
  readonly order: Table;
  readonly rooms: Table;
  readonly recalls: Table;

  constructor(root: RootDatabase) {
    const open = (name: string): Table => root.openDB(name, { encoding: 'binary', keyEncoding: 'binary' });
    this.batches = open('batches');
    this.order = open('order');
    this.rooms = open('rooms');
    this.recalls = open('recalls');
  }

  /** False for a database in which the tables must be made. */
  static exist(root: RootDatabase): boolean {
    // lmdb ends the names of tables with 0x00.
    return root.doesExist(Buffer.from('recalls\0'));
  }

  /** Where the last page of `root` ends, and the bytes behind it that making the tables may take. */
  static needs(root: RootDatabase): [used: number, bytes: number] {
    const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
    return [(lastPageNumber + 1) * pageSize, 64 * pageSize];
  }

  /** Batches of `room` with `after` < seq ≤ `upTo`, oldest first, read one by one as they are taken. */
  *batchesOf(room: string, after: number, upTo: number): Generator<FoundBatch> {
    const range = { start: encodePlace(room, after + 1), end: encodePlace(room, upTo + 1) };
    for (const { key, value } of this.batches.getRange(range)) {
      // Not as Buffers: a Buffer's `slice` is a view, where who gets these bytes expects a copy.
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      yield { ...decodeBatchKey(key), key, bytes };
    }
  }

  /** Batches of `room` with seq ≤ `upTo`, newest first, without their bytes. */
  *keysBefore(room: string, upTo: number): Generator<BatchKey> {
    const range = { start: encodePlace(room, upTo + 1), end: encodePlace(room, 0), reverse: true };
    for (const key of this.batches.getKeys(range)) yield decodeBatchKey(key);
  }

  /** The key of one batch, or null where it is not kept. */
  keyOf({ room, seq, place }: OrderEntry): Uint8Array | null {
    for (const key of this.batches.getKeys({ start: place, end: encodePlace(room, seq + 1), limit: 1 })) return key;
    return null;
  }

  /** The seq of the newest batch of `room` that is kept, 0 for none. */
  newestKept(room: string): number {
    for (const { seq } of this.keysBefore(room, Number.MAX_SAFE_INTEGER)) return seq;
    return 0;
  }

  /** The newest seq that `room` ever had, 0 for none, and whether it stands in `rooms`. */
  lastSeq(room: string): { seq: number; listed: boolean } {
    const listed = this.rooms.get(encodeRoom(room));
    const seq = Math.max(this.newestKept(room), listed === undefined ? 0 : decodeSeq(listed));
    return { seq, listed: listed !== undefined };
  }

  /** The oldest batches of all rooms, at most `limit`. */
  oldest(limit: number): OrderEntry[] {
    const entries: OrderEntry[] = [];
    for (const { key, value } of this.order.getRange({ limit })) {
      entries.push({ key, at: decodeOrderKey(key).at, ...decodePlace(value), place: value });
    }
    return entries;
  }

  /** The rooms of the newest `limit` batches of all, latest first, a room for each of its batches. */
  *newestRooms(limit: number): Generator<string> {
    const range = { start: encodeOrderKey(MOST_U48, MOST_U48), reverse: true, limit };
    for (const { value } of this.order.getRange(range)) yield decodePlace(value).room;
  }

  /**
   * A counter that no entry of `order` from `at` on is above; 0 where there is none. Counters rise with the time, so
   * these are the last entry and, where the host's clock was set back, those that lie in the future.
   */
  lastCounter(at: number): number {
    let last = 0;
    for (const key of this.order.getKeys({ start: encodeOrderKey(at, 0) })) {
      last = Math.max(last, decodeOrderKey(key).counter);
    }
    for (const key of this.order.getKeys({ start: encodeOrderKey(MOST_U48, MOST_U48), reverse: true, limit: 1 })) {
      last = Math.max(last, decodeOrderKey(key).counter);
    }
    return last;
  }

  /** Bytes of the pages that hold something. */
  bytesInUse(): number {
    return [this.batches, this.order, this.rooms, this.recalls].reduce(
      (sum, table) => sum + bytesOf(statsOf(table)),
      0,
    );
  }

  /** The batches, and bytes of the pages that are free once none is left. */
  batchesKept(): { bytes: number; batches: number } {
    const order = statsOf(this.order);
    return { bytes: bytesOf(statsOf(this.batches)) + bytesOf(order), batches: order.entryCount };
  }
}

function statsOf(table: Table): TableStats {
  return table.getStats() as TableStats;
}

function bytesOf({ treeBranchPageCount, treeLeafPageCount, overflowPages, pageSize }: TableStats): number {
  return (treeBranchPageCount + treeLeafPageCount + overflowPages) * pageSize;
}
