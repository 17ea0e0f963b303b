import { connect, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { frame, handshake, OPCODE } from '../../workers/raw-client.fixture.ts';

/** What each kind of flood sends, over and over. */
export const FLOODS = {
  /** One byte that is no JSON. */
  tiny: frame(OPCODE.text, 'x'),
  /** What only a parser can tell from JSON. */
  broken: frame(OPCODE.text, '{"type":}'),
  comments: frame(OPCODE.text, '{"type":"comment","text":"flood"}'),
  large: frame(OPCODE.text, JSON.stringify({ type: 'comment', text: 'flood', pad: 'x'.repeat(4_000) })),
  pings: frame(OPCODE.ping, ''),
} as const;

export type Flood = keyof typeof FLOODS;

export interface FloodersOptions {
  readonly port: number;
  readonly host: string;
  readonly connections: number;
  readonly flood: Flood;
  /** Whether who is closed comes back at once. */
  readonly again: boolean;
}

const BLOCK_BYTES = 400_000;

/** In a worker thread: connections that send as fast as the system takes it, until the thread is told anything. */
function flood({ port, host, connections, flood, again }: FloodersOptions): void {
  const one = FLOODS[flood];
  const block = Buffer.concat(new Array<Buffer>(Math.ceil(BLOCK_BYTES / one.length)).fill(one));
  const sockets = new Set<Socket>();
  let opened = 0;
  let bytes = 0;
  let over = false;
  const open = (room: number): void => {
    const socket = connect({ port, host, allowHalfOpen: true });
    sockets.add(socket);
    opened += 1;
    const pump = (): void => {
      while (!over && socket.writable && socket.write(block)) bytes += block.length;
    };
    socket.once('data', pump).on('data', () => undefined);
    socket.on('drain', pump).on('error', () => undefined);
    socket.once('close', () => {
      sockets.delete(socket);
      if (again && !over) setImmediate(open, room);
    });
    socket.write(handshake(`/rooms/flood-${room}`));
  };
  for (let room = 0; room < connections; room += 1) open(room);
  parentPort?.once('message', () => {
    over = true;
    for (const socket of sockets) socket.destroy();
    parentPort?.postMessage({ opened, bytes });
  });
}

if (parentPort !== null) flood(workerData as FloodersOptions);
