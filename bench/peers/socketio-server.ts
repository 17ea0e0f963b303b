/**
 * `node socketio-server.js FRAMES EVERY_MS`: Socket.IO over WebSocket only.
 *
 * It emits the comments as objects, which go out as JSON text. Of a Buffer with the frame's own bytes it makes two
 * messages a viewer, a text that announces it and the bytes, and prepares neither once for all viewers: measured at about
 * twice the CPU a push, though the text has three times the bytes.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { decodeMsgpackFrame } from '../../src/frames/codec-msgpack.ts';
import { pushFrames, tellPort } from './peer-server.ts';

/** The load does not answer Socket.IO's own pings, so none is sent during a run. */
const PING_INTERVAL = 3_600_000;

const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  serveClient: false,
  perMessageDeflate: false,
  pingInterval: PING_INTERVAL,
});
http.listen(0, '127.0.0.1', () => tellPort((http.address() as AddressInfo).port));

pushFrames(
  (frame) => decodeMsgpackFrame(frame).comments,
  (comments) => io.emit('push', comments),
);
