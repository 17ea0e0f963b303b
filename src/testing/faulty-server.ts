/**
 * A server that misbehaves on orders from stdin, one a line: `throw SHARD`, `stall SHARD MS` or `loop SHARD MS`, or for
 * the main thread `throw main` or `reject main`.
 */
import { createInterface } from 'node:readline';
import { BroadcastChannel } from 'node:worker_threads';
import { Command } from 'commander';
import { serve } from '../cli/serve-command.ts';
import { addSettings, readSettings } from '../cli/setting-options.ts';
import { compiledFile } from '../compiled-file.ts';
import { FAULT_CHANNEL, type FaultOrder } from '../shards/shard-fault-order.fixture.ts';

const command = new Command();
addSettings(command);
command.parse();

const channel = new BroadcastChannel(FAULT_CHANNEL);
createInterface({ input: process.stdin }).on('line', (line) => {
  const [fault, shard, ms] = line.split(' ');
  if (shard === 'main') {
    if (fault === 'throw') throw new Error('thrown on the main thread by a test');
    void Promise.reject(new Error('rejected on the main thread by a test'));
    return;
  }
  const order: FaultOrder = { fault: fault as FaultOrder['fault'], shard: Number(shard), ms: Number(ms) };
  channel.postMessage(order);
});

await serve(readSettings(command), {
  shardFile: compiledFile('workers/shard-faulty.fixture.js'),
});
