/**
 * `node lock-holder.fixture.js DIR MS`: holds the write lock of the LMDB database in DIR for MS milliseconds, as a disk
 * does that stands still. Prints `held` once it has it.
 */
import { open } from 'lmdb';

const [dir = '', ms = '0'] = process.argv.slice(2);
const root = open({ path: dir, maxDbs: 8 });
root.transactionSync(() => {
  process.stdout.write('held\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
});
await root.close();
