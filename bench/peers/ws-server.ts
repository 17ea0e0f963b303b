/**
 * `node ws-server.js FRAMES EVERY_MS [deflate]`: ws as its documentation shows a broadcast. With `deflate` it agrees to
 * permessage-deflate at the library's own level, and compresses small messages too.
 */
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { asIs, MOST_WAITING, pushFrames, tellPort } from './peer-server.ts';

const perMessageDeflate = process.argv[4] === 'deflate' ? { threshold: 0 } : false;
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate });

server.on('listening', () => tellPort((server.address() as AddressInfo).port));

pushFrames(asIs, (frame) => {
  for (const viewer of server.clients) {
    if (viewer.bufferedAmount <= MOST_WAITING) viewer.send(frame);
  }
});
