import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** A TCP connection to the viewers' port that keeps to no protocol: sends any bytes, keeps all that comes back. */
export class RawClient {
  readonly socket: Socket;
  readonly connected: Promise<void>;
  /** The connection is gone, whoever ended it and however. */
  readonly closed: Promise<void>;
  received = Buffer.alloc(0);

  /** `base` is `ws://HOST:PORT`. */
  constructor(base: string) {
    const { hostname, port } = new URL(base);
    this.socket = connect(Number(port), hostname);
    this.socket.on('data', (part: Buffer) => {
      this.received = Buffer.concat([this.received, part]);
    });
    // A reset is one of the ways in which a server closes.
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.connected = new Promise((resolve) => this.socket.once('connect', resolve));
  }

  send(bytes: string | Buffer): this {
    this.socket.write(bytes);
    return this;
  }

  /** Becomes a viewer of `room`: sends the handshake and waits for the welcome. */
  async join(room: string): Promise<this> {
    this.send(handshake(`/rooms/${room}`));
    await this.until(() => this.received.includes('"welcome"'));
    return this;
  }

  /** Waits until `done` holds. Rejects when the connection closes first or `deadline` ms pass. */
  async until(done: () => boolean, deadline = 15_000): Promise<void> {
    const end = Date.now() + deadline;
    while (!done()) {
      if (this.socket.destroyed) throw new Error(`closed after ${JSON.stringify(this.received.toString('latin1'))}`);
      if (Date.now() > end) throw new Error(`not within ${deadline} ms: ${this.received.toString('latin1')}`);
      await new Promise<void>((resolve) => {
        const go = () => {
          clearTimeout(timer);
          this.socket.off('data', go).off('close', go);
          resolve();
        };
        const timer = setTimeout(go, 100);
        this.socket.once('data', go).once('close', go);
      });
    }
  }
}

/** A WebSocket handshake as a browser sends it; `lines` are further headers, each with its line end. */
export function handshake(path: string, lines = ''): string {
  const key = randomBytes(16).toString('base64');
  return `GET ${path} HTTP/1.1\r\nHost: volley\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n${lines}\r\n`;
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

interface FrameOptions {
  readonly fin?: boolean;
  readonly masked?: boolean;
  /** The three reserved bits, as they stand in the first byte. */
  readonly reserved?: number;
}

/** A WebSocket frame, right or wrong. The mask is all zeros: the payload can be read in it. */
export function frame(opcode: number, payload: string | Buffer, options: FrameOptions = {}): Buffer {
  const { fin = true, masked = true, reserved = 0 } = options;
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(bytes.length < 126 ? 2 : bytes.length < 65_536 ? 4 : 10);
  header[0] = (fin ? 0x80 : 0) | reserved | opcode;
  header[1] = (masked ? 0x80 : 0) | (header.length === 2 ? bytes.length : header.length === 4 ? 126 : 127);
  if (header.length === 4) header.writeUInt16BE(bytes.length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(bytes.length), 2);
  return Buffer.concat([header, Buffer.alloc(masked ? 4 : 0), bytes]);
}
