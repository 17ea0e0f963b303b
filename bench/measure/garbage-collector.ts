/**
 * Loaded before a server (`--import`, so in its worker threads too): collects each thread's garbage once a second, so
 * that two servers' memory differs by what they hold.
 */
import { setInterval } from 'node:timers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const EVERY_MS = 1_000;

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');
if (typeof collect !== 'function') throw new Error('this Node cannot be told to collect garbage');
setInterval(() => collect(), EVERY_MS).unref();
