/**
 * `node peer-server.js KIND FRAMES EVERY_MS`: the contenders in JavaScript. It prints its port, and pushes the frames of
 * the file in turn, one every so many ms, between a `+` and a `-` on stdin; it ends when stdin does.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Server } from 'socket.io';
import { WebSocketServer } from 'ws';
import { decodeMsgpackFrame } from '../../src/frames/codecs.ts';
import { App, us_socket_local_port, type WebSocket } from '../../workers/uws.ts';
import { readFrames } from './cases.ts';

/** Bytes that may wait for a viewer before it misses pushes. */
const MOST_WAITING = 1_048_576;

const MEMORY = 1 << 24;

/** The load does not answer Socket.IO's own pings, so none is sent during a run. */
const PING_INTERVAL = 3_600_000;

type Push = (frame: Buffer) => void;

/** Starts to listen; returns what pushes a frame to every viewer. */
const KINDS: Readonly<Record<string, () => Push>> = {
  'uws-send': () => {
    const viewers = new Set<WebSocket<unknown>>();
    const open = (viewer: WebSocket<unknown>): void => void viewers.add(viewer);
    const close = (viewer: WebSocket<unknown>): void => void viewers.delete(viewer);
    // Above maxBackpressure the library itself drops what is sent.
    listen(App().ws('/*', { maxBackpressure: MOST_WAITING, open, close }), tellPort);
    return (frame) => {
      for (const viewer of viewers) viewer.send(frame, true);
    };
  },
  // Nothing but the library runs: no HTTP, no rooms, no store.
  'uws-publish': () => {
    const shared = new Uint8Array(new SharedArrayBuffer(MEMORY));
    const worker = new Worker(new URL(import.meta.url), { workerData: shared });
    worker.once('message', tellPort);
    let next = 0;
    return (frame) => {
      const start = next + frame.length > MEMORY ? 0 : next;
      const end = start + frame.length;
      shared.set(frame, start);
      worker.postMessage({ start, end });
      next = (end + 7) & ~7;
    };
  },
  ws: () => pushOverWs(false),
  // At the library's own level; small messages are compressed too.
  'ws-deflate': () => pushOverWs({ threshold: 0 }),
  // It emits the comments as objects, which go out as JSON text. Of a Buffer it makes two messages a viewer and prepares
  // neither once for all viewers: measured at twice the CPU a push, though the text has three times the bytes.
  'socket.io': () => {
    const http = createServer();
    const options = { serveClient: false, perMessageDeflate: false, pingInterval: PING_INTERVAL };
    const io = new Server(http, { transports: ['websocket'], ...options });
    http.listen(0, '127.0.0.1', () => tellPort((http.address() as AddressInfo).port));
    return (frame) => io.emit('push', decoded.get(frame));
  },
};

function pushOverWs(perMessageDeflate: false | { threshold: number }): Push {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate });
  server.on('listening', () => tellPort((server.address() as AddressInfo).port));
  return (frame) => {
    for (const viewer of server.clients) if (viewer.bufferedAmount <= MOST_WAITING) viewer.send(frame);
  };
}

function listen(app: ReturnType<typeof App>, tell: (port: number) => void): void {
  app.listen('127.0.0.1', 0, (listening) => {
    if (listening === false) throw new Error('cannot listen');
    tell(us_socket_local_port(listening));
  });
}

function tellPort(port: number): void {
  process.stdout.write(`${port}\n`);
}

const decoded = new Map<Buffer, readonly unknown[]>();

function pushFrames(): void {
  const [kind = '', path = '', every = ''] = process.argv.slice(2);
  const frames = readFrames(path);
  if (kind === 'socket.io') for (const frame of frames) decoded.set(frame, decodeMsgpackFrame(frame).comments);
  const push = KINDS[kind]?.();
  if (push === undefined) throw new Error(`no contender ${kind}`);
  let next = 0;
  let timer: NodeJS.Timeout | undefined;
  process.stdin.on('data', (orders: Buffer) => {
    clearInterval(timer);
    if (orders.at(-1) !== '+'.charCodeAt(0)) return;
    const pushNext = (): void => {
      push(frames[next] as Buffer);
      next = (next + 1) % frames.length;
    };
    pushNext();
    timer = setInterval(pushNext, Number(every));
  });
  // Not process.exit, which aborts where uWebSockets.js has an App open.
  process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM'));
}

function publishShared(shared: Uint8Array): void {
  const topic = Buffer.from('room');
  const app = App();
  app.ws('/*', { maxBackpressure: MOST_WAITING, open: (viewer) => void viewer.subscribe('room') });
  listen(app, (port) => parentPort?.postMessage(port));
  parentPort?.on('message', ({ start, end }: { start: number; end: number }) => {
    app.publish(topic, shared.subarray(start, end), true);
  });
}

if (isMainThread) pushFrames();
else publishShared(workerData as Uint8Array);
