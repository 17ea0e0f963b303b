/** A server whose shards misbehave on orders from stdin: `throw SHARD`, `stall SHARD MS` or `loop SHARD MS`, one a line. */
import { createInterface } from 'node:readline';
import { BroadcastChannel } from 'node:worker_threads';
import { Command } from 'commander';
import { serve } from './cli/serve-command.ts';
import { addSettings, readSettings } from './cli/setting-options.ts';
import { compiledFile } from './compiled-file.ts';
import { FAULT_CHANNEL, type FaultOrder } from './shards/shard-fault-order.fixture.ts';

const command = new Command();
addSettings(command);
command.parse();

const channel = new BroadcastChannel(FAULT_CHANNEL);
createInterface({ input: process.stdin }).on('line', (line) => {
  const [fault, shard, ms] = line.split(' ');
  const order: FaultOrder = { fault: fault as FaultOrder['fault'], shard: Number(shard), ms: Number(ms) };
  channel.postMessage(order);
});

await serve(readSettings(command), {
  shardFile: compiledFile('workers/shard-faulty.fixture.js'),
});
