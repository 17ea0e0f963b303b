import { WebSocket } from 'ws';
import type { Address } from './contenders.ts';

/** How long a viewer waits for what must come, in ms. */
const DEADLINE = 15_000;

/** A viewer that keeps every message; another WebSocket than the load's, so that the two check each other. */
export class FrameViewer {
  readonly socket: WebSocket;
  readonly messages: { readonly bytes: Buffer; readonly isBinary: boolean }[] = [];
  #onMessage = (): void => {};

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (bytes: Buffer, isBinary) => {
      this.messages.push({ bytes, isBinary });
      this.#onMessage();
    });
  }

  static async open({ url, path, subprotocol, hello, extensions }: Address): Promise<FrameViewer> {
    const protocols = subprotocol === '' ? [] : [subprotocol];
    const socket = new WebSocket(url + path, protocols, { perMessageDeflate: extensions !== undefined });
    const viewer = new FrameViewer(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve).once('error', reject);
    });
    for (const text of hello ?? []) socket.send(text);
    return viewer;
  }

  /** The messages, once there are `count` of the kind. */
  async received(count: number, isBinary = true): Promise<Buffer[]> {
    const end = AbortSignal.timeout(DEADLINE);
    end.addEventListener('abort', () => this.#onMessage());
    for (;;) {
      const found = this.messages.filter((message) => message.isBinary === isBinary);
      if (found.length >= count) return found.map(({ bytes }) => bytes);
      if (end.aborted) throw new Error(`${found.length} of ${count} messages came in time`);
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
    }
  }

  close(): void {
    this.socket.terminate();
  }
}
