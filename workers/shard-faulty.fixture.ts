import { BroadcastChannel } from 'node:worker_threads';
import type { ShardTask } from '../src/shards/messages.ts';
import { FAULT_CHANNEL, type FaultOrder } from '../src/shards/shard-fault-order.fixture.ts';
import runShard from './shard.ts';
import { App, type TemplatedApp } from './uws.ts';

/** A shard that throws, spins or stands still when it is told to. */
export default async function runFaultyShard(task: ShardTask): Promise<void> {
  const channel = new BroadcastChannel(FAULT_CHANNEL);
  const app = App();
  const publish = app.publish.bind(app);
  let armed = false;
  app.publish = (...args: Parameters<TemplatedApp['publish']>): boolean => {
    const published = publish(...args);
    if (armed) {
      armed = false;
      throw new Error('thrown in mid-push by a test');
    }
    return published;
  };
  channel.onmessage = (event) => {
    const { data: order } = event as { data: FaultOrder };
    if (order.shard !== task.shard) return;
    if (order.fault === 'throw') armed = true;
    else if (order.fault === 'stall') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.ms);
    else for (const end = performance.now() + order.ms; performance.now() < end; );
  };
  try {
    await runShard(task, () => app);
  } finally {
    channel.close();
  }
}
