import { readFileSync, readSync } from 'node:fs';

/**
 * What a meta page of LMDB says. Layout: `MDB_meta` of lmdb's dependencies/lmdb/libraries/liblmdb/mdb.c, little-endian,
 * 64 bit, after a page header of 24 bytes.
 */
export interface MetaPage {
  /** Bytes a page. */
  readonly pageSize: number;
  /** Root page of the free list's tree; undefined when it is empty. */
  readonly freeRoot: number | undefined;
  /** Root page of the tree that names the databases; undefined when it is empty. */
  readonly mainRoot: number | undefined;
  /** The highest page ever used. The file may be shorter: free pages at its end need never have been written. */
  readonly lastPage: number;
  readonly transaction: bigint;
  /** The machine's boot in which it was written. */
  readonly boot: bigint;
  /** Written before its pages were on disk (overlappingSync). */
  readonly unsynced: boolean;
}

const HEADER = 24;
const META = 144;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const P_META = 0x08;
const UNSYNCED = 0x1000;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/**
 * Reads the meta page that LMDB goes by when it opens the file with overlappingSync. Undefined when the file is no
 * sound LMDB file of this version.
 */
export function readMetaPage(fd: number): MetaPage | undefined {
  const first = readAt(fd, 0);
  if (first === undefined || !isMetaPage(first)) return undefined;
  const pageSize = first.readUInt32LE(HEADER + 24);
  if (pageSize < 256 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) return undefined;
  const second = readAt(fd, pageSize);
  const flushed = readAt(fd, pageSize >> 1);
  if (second === undefined || flushed === undefined || !isMetaPage(second)) return undefined;
  const pages = parse(second);
  if (pages.pageSize !== pageSize) return undefined;
  const boot = readBoot();
  return pick(pick(parse(first), pages, boot), parse(flushed), boot);
}

function readAt(fd: number, offset: number): Buffer | undefined {
  const bytes = Buffer.alloc(HEADER + META);
  return readSync(fd, bytes, 0, bytes.length, offset) === bytes.length ? bytes : undefined;
}

function isMetaPage(bytes: Buffer): boolean {
  const flags = bytes.readUInt16LE(18);
  const version = bytes.readUInt32LE(HEADER + 4) & 0xffff;
  return (flags & P_META) !== 0 && bytes.readUInt32LE(HEADER) === MAGIC && version === DATA_VERSION;
}

function parse(bytes: Buffer): MetaPage {
  return {
    pageSize: bytes.readUInt32LE(HEADER + 24),
    unsynced: (bytes.readUInt16LE(HEADER + 28) & UNSYNCED) !== 0,
    freeRoot: readRoot(bytes, HEADER + 64),
    mainRoot: readRoot(bytes, HEADER + 112),
    lastPage: Number(bytes.readBigUInt64LE(HEADER + 120)),
    transaction: bytes.readBigUInt64LE(HEADER + 128),
    boot: bytes.readBigInt64LE(HEADER + 136),
  };
}

/** A page number, undefined for LMDB's `P_INVALID`. */
export function readRoot(bytes: Buffer, offset: number): number | undefined {
  const page = bytes.readBigUInt64LE(offset);
  return page === NO_PAGE ? undefined : Number(page);
}

/** `mdb_pick_meta` with MDB_PREVSNAPSHOT and MDB_OVERLAPPINGSYNC: after a power cut, what was flushed. */
function pick(a: MetaPage, b: MetaPage, boot: bigint): MetaPage {
  if (b.transaction === 0n) return a;
  const latest = a.transaction >= b.transaction ? a : b;
  if ((latest.boot !== 0n && latest.boot === boot) || !latest.unsynced) return latest;
  return a.transaction > b.transaction ? b : a;
}

/** The first group of the boot's UUID, as LMDB reads it; 0 where the system has none. */
function readBoot(): bigint {
  try {
    const uuid = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1');
    return BigInt(`0x${uuid.slice(0, uuid.indexOf('-'))}`);
  } catch {
    return 0n;
  }
}
