import { compiledFile } from '../../src/compiled-file.ts';
import { ChildServer } from './child-server.ts';
import { type Address, type Contender, opaqueAddress } from './contender.ts';
import { readPackageVersion } from './package-version.ts';
import type { CaseName } from './peer-case.ts';
import type { FrameKind } from './peer-frames.ts';

interface JavaScriptPeer {
  readonly name: string;
  readonly describe: string;
  /** What it sends in which case. */
  readonly sends: Partial<Record<CaseName, FrameKind>>;
  /** Name and version of the library. */
  readonly version: () => string | Promise<string>;
  /** A compiled file: `node SERVER FRAMES EVERY_MS …`. */
  readonly server: string;
  readonly args?: readonly string[];
  readonly path?: string;
  readonly address?: Partial<Address>;
}

const PEERS: readonly JavaScriptPeer[] = [
  {
    name: 'uws-send',
    describe: 'plain uWebSockets.js: one `send` a viewer, of the very frames that volley sends',
    sends: { small: 'columns', large: 'deflated' },
    version: findUws,
    server: 'bench/peers/uws-send-server.js',
  },
  {
    name: 'uws-publish',
    describe:
      'uWebSockets.js alone in a worker thread, publishing the very frames that volley sends from shared memory: ' +
      "what is left of volley's way when all of volley is taken away",
    sends: { small: 'columns', large: 'deflated' },
    version: findUws,
    server: 'bench/peers/uws-publish-server.js',
  },
  {
    name: 'ws',
    describe: 'ws, without compression: one `send` a viewer, of the very frames that volley sends',
    sends: { small: 'columns' },
    version: () => readPackageVersion('ws'),
    server: 'bench/peers/ws-server.js',
  },
  {
    name: 'ws-deflate',
    describe:
      'ws with permessage-deflate at its own level: msgpack rows, compressed by the library once a viewer; ' +
      'a viewer with more than 1 MiB waiting misses pushes',
    sends: { large: 'rows' },
    version: () => readPackageVersion('ws'),
    server: 'bench/peers/ws-server.js',
    args: ['deflate'],
    address: { extensions: 'permessage-deflate' },
  },
  {
    name: 'socket.io',
    describe:
      'Socket.IO over WebSocket only: `io.emit` of the comments as an array of objects, which goes out as one JSON ' +
      'text; that costs it half of what the same frame as a Buffer does, which it sends as two messages a viewer',
    sends: { small: 'columns' },
    version: () => readPackageVersion('socket.io'),
    server: 'bench/peers/socketio-server.js',
    path: '/socket.io/?EIO=4&transport=websocket',
    // The packet that joins the main namespace.
    address: { hello: ['40'], opaqueFrames: 'text' },
  },
];

/** Servers in JavaScript on the libraries of others, each in a process of its own. */
export const JAVASCRIPT_CONTENDERS: readonly Contender[] = PEERS.map((peer) => ({
  name: peer.name,
  describe: peer.describe,
  cases: Object.keys(peer.sends) as CaseName[],
  prepare: async () => ({ version: await peer.version() }),
  start: async (order) => {
    const { peerCase, workshop, warmUpMs } = order;
    const frames = workshop.framesFile(peer.sends[peerCase.name] ?? 'columns', order);
    const args = [compiledFile(peer.server), frames, String(peerCase.every), ...(peer.args ?? [])];
    const server = new ChildServer(peer.name, process.execPath, args);
    const port = await server.findPort();
    return {
      address: opaqueAddress(port, peer.path, peer.address),
      pid: server.pid,
      warmUpMs,
      ended: server.ended,
      stop: () => server.stop(),
    };
  },
}));

/** Loads it: which of the packages is used is not known before. */
async function findUws(): Promise<string> {
  return (await import('../../workers/uws.ts')).library;
}
