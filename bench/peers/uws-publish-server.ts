/**
 * `node uws-publish-server.js FRAMES EVERY_MS`: uWebSockets.js in a worker thread, publishing from shared memory what the
 * main thread has put there. Nothing but the library runs: no HTTP, no rooms, no store.
 */

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { App, us_socket_local_port } from '../../workers/uws.ts';
import { asIs, MOST_WAITING, pushFrames, tellPort } from './peer-server.ts';

const MEMORY = 1 << 24;

/** Where a frame lies in the shared memory. */
interface Span {
  readonly start: number;
  readonly end: number;
}

if (isMainThread) runMain();
else runWorker();

function runMain(): void {
  const shared = new Uint8Array(new SharedArrayBuffer(MEMORY));
  const worker = new Worker(new URL(import.meta.url), { workerData: shared, argv: process.argv.slice(2) });
  worker.once('message', tellPort);
  let next = 0;
  pushFrames(asIs, (frame) => {
    const start = next + frame.length > MEMORY ? 0 : next;
    shared.set(frame, start);
    const span: Span = { start, end: start + frame.length };
    worker.postMessage(span);
    next = (span.end + 7) & ~7;
  });
}

function runWorker(): void {
  const shared = workerData as Uint8Array;
  const topic = Buffer.from('room');
  const app = App()
    .ws('/*', { maxBackpressure: MOST_WAITING, open: (viewer) => void viewer.subscribe('room') })
    .listen('127.0.0.1', 0, (listening) => {
      if (listening === false) throw new Error('cannot listen');
      parentPort?.postMessage(us_socket_local_port(listening));
    });
  parentPort?.on('message', ({ start, end }: Span) => void app.publish(topic, shared.subarray(start, end), true));
}
