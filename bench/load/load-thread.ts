/** The entry of a load thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { LoadCrew } from './load-crew.ts';
import type { LoadTask, ToLoadThread } from './load-messages.ts';

const port = parentPort;
if (port === null) throw new Error('this file is a worker thread');
const crew = new LoadCrew(workerData as LoadTask, (message) => port.postMessage(message));
port.on('message', (message: ToLoadThread) => crew.take(message));
