import { readSync } from 'node:fs';
import { damagedFault } from './lmdb-faults.ts';
import { readRoot } from './lmdb-meta-page.ts';

/** Sizes and flags of mdb.c: `MDB_page_header`, `MDB_node`, `MDB_db`. */
const HEADER = 24;
const NODE = 8;
const P_BRANCH = 0x01;
const P_LEAF = 0x02;
const P_LEAF2 = 0x20;
const F_BIGDATA = 0x01;
const F_SUBDATA = 0x02;
const DB_ROOT = 40;

/**
 * The trees of an LMDB data file, read with plain reads: where LMDB itself would touch a page behind the end of the
 * file, through its map, and the process would die of it, this throws STORE_DAMAGED.
 */
export class LmdbTrees {
  readonly #dir: string;
  readonly #fd: number;
  readonly #pageSize: number;
  /** Whole pages in the file. */
  readonly #pages: number;
  /** Only one page is held at a time. */
  readonly #page: Buffer;

  /** `fd` is the open data file of `dir`, `bytes` its length. */
  constructor(dir: string, fd: number, pageSize: number, bytes: number) {
    this.#dir = dir;
    this.#fd = fd;
    this.#pageSize = pageSize;
    this.#pages = Math.floor(bytes / pageSize);
    this.#page = Buffer.alloc(pageSize);
  }

  /** True when the file ends before `lastPage` does. */
  endsBefore(lastPage: number): boolean {
    return lastPage >= this.#pages;
  }

  /** The root of the database `name` in the tree at `root`; undefined when it has none or is empty. */
  findDatabase(root: number, name: string): number | undefined {
    // The lmdb package ends names with a zero byte.
    const record = this.#find(root, `${name}\0`, F_SUBDATA);
    return record === undefined || record.length < DB_ROOT + 8 ? undefined : readRoot(record, DB_ROOT);
  }

  /** The small value under `key` in the tree at `root`, a copy; undefined when there is none. */
  findValue(root: number, key: string): Buffer | undefined {
    return this.#find(root, key, 0);
  }

  /** Visits every page that the tree at `root`, and every database in it, needs. @throws VolleyError STORE_DAMAGED */
  check(root: number): void {
    const open = [root];
    let visited = 0;
    for (let page = open.pop(); page !== undefined; page = open.pop()) {
      visited += 1;
      if (visited > this.#pages) throw this.#damaged(`has a ring of pages at page ${page}`);
      const flags = this.#read(page);
      if ((flags & P_LEAF2) !== 0) continue;
      for (const node of this.#nodes(page)) {
        if ((flags & P_BRANCH) !== 0) {
          open.push(this.#childOf(node));
        } else if ((this.#flagsOf(node) & F_BIGDATA) !== 0) {
          this.#checkOverflow(this.#valueOf(node));
        } else if ((this.#flagsOf(node) & F_SUBDATA) !== 0) {
          const child = readRoot(this.#valueOf(node), DB_ROOT);
          if (child !== undefined) open.push(child);
        }
      }
    }
  }

  /** Only databases of one page are searched: ours that are looked for never need more. */
  #find(root: number, key: string, kind: number): Buffer | undefined {
    if ((this.#read(root) & (P_LEAF | P_LEAF2)) !== P_LEAF) return undefined;
    for (const node of this.#nodes(root)) {
      const end = node + NODE + this.#page.readUInt16LE(node + 6);
      if (this.#flagsOf(node) !== kind || this.#page.toString('latin1', node + NODE, end) !== key) continue;
      return Buffer.from(this.#valueOf(node));
    }
    return undefined;
  }

  /** Reads a page into the one buffer and gives its flags. */
  #read(page: number): number {
    if (page < 2 || page >= this.#pages) throw this.#damaged(`ends before page ${page}, which it needs`);
    const got = readSync(this.#fd, this.#page, 0, this.#pageSize, page * this.#pageSize);
    const flags = this.#page.readUInt16LE(18);
    const sound = got === this.#pageSize && Number(this.#page.readBigUInt64LE(0)) === page;
    if (!sound || (flags & (P_BRANCH | P_LEAF)) === 0) throw this.#damaged(`holds something else at page ${page}`);
    return flags;
  }

  /** Where the nodes of the page in the buffer begin, all checked to lie inside it. */
  #nodes(page: number): number[] {
    const count = this.#page.readUInt16LE(20) >> 1;
    const starts: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const at = HEADER + 2 * i;
      const start = at + 2 > this.#pageSize ? this.#pageSize : HEADER + this.#page.readUInt16LE(at);
      const head = start + NODE;
      if (head > this.#pageSize || head + this.#page.readUInt16LE(start + 6) > this.#pageSize) {
        throw this.#damaged(`holds something else at page ${page}`);
      }
      starts.push(start);
    }
    return starts;
  }

  #flagsOf(node: number): number {
    return this.#page.readUInt16LE(node + 4);
  }

  /** A branch's node keeps the page number in 48 bits, in what are size and flags elsewhere. */
  #childOf(node: number): number {
    return this.#page.readUIntLE(node, 6);
  }

  /** A leaf node's value, a view of the buffer; a large one's is where it lies. */
  #valueOf(node: number): Buffer {
    const start = node + NODE + this.#page.readUInt16LE(node + 6);
    const large = (this.#flagsOf(node) & F_BIGDATA) !== 0;
    const length = large ? 24 : this.#page.readUInt32LE(node);
    const needed = (this.#flagsOf(node) & F_SUBDATA) !== 0 ? DB_ROOT + 8 : 0;
    if (start + length > this.#pageSize || length < needed) throw this.#damaged('holds a broken entry');
    return this.#page.subarray(start, start + length);
  }

  /** `MDB_ovpage`: first page, transaction, number of pages. */
  #checkOverflow(record: Buffer): void {
    const first = Number(record.readBigUInt64LE(0));
    const end = first + Number(record.readBigUInt64LE(16));
    if (first < 2 || end > this.#pages) throw this.#damaged(`ends before page ${end - 1}, which it needs`);
  }

  #damaged(why: string): Error {
    return damagedFault(this.#dir, why);
  }
}
