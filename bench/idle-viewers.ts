import { connect, type Socket } from 'node:net';
import type { ServerProcess } from '../src/server-process.fixture.ts';

/** Connections from one loopback address before the next is used: below Linux' range of local ports. */
const PER_ADDRESS = 20_000;

/** Handshakes under way at once. */
const AT_ONCE = 200;

/** Viewers on raw sockets that read and throw away what they get: the load costs as little as it can. */
export class IdleViewers {
  readonly #sockets: Socket[] = [];

  /** Opens `count` viewers of `room` and waits for every welcome. */
  async open(server: ServerProcess, room: string, count: number, subprotocol: string): Promise<void> {
    const { hostname, port } = new URL(server.viewerUrl);
    const head =
      `GET /rooms/${room} HTTP/1.1\r\nHost: ${hostname}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`;
    for (let opened = 0; opened < count; opened += AT_ONCE) {
      const some = Math.min(AT_ONCE, count - opened);
      await Promise.all(Array.from({ length: some }, () => this.#connect(Number(port), hostname, head)));
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(port: number, host: string, head: string): Promise<void> {
    // A port bound to an address of its own stays taken for a minute after its connection: not where one address does.
    const source = Math.floor(this.#sockets.length / PER_ADDRESS);
    const local = source === 0 ? {} : { localAddress: `127.0.0.${1 + source}` };
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, ...local }, () => socket.write(head));
      this.#sockets.push(socket);
      socket.once('error', reject);
      let seen = '';
      const onWelcome = (part: Buffer): void => {
        seen += part.toString('latin1');
        if (!seen.includes('"type":"welcome"')) return;
        socket.off('data', onWelcome);
        socket.on('data', () => undefined);
        resolve();
      };
      socket.on('data', onWelcome);
    });
  }
}
