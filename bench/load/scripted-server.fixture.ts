import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { deflateRawSync } from 'node:zlib';
import { type WebSocket, WebSocketServer } from 'ws';
import { encodeBatch } from '../../src/frames/batch.ts';
import { encodeJsonFrame, encodeMsgpackFrame } from '../../src/frames/codecs.ts';
import { benchNow } from './tally.ts';

const WELCOME = '{"type":"welcome","room":"r","seq":0,"viewers":1,"interval":1000}';

/** A volley frame of one batch with `comments` comments. */
export function makeFrame(subprotocol: string, seq: number, prev: number, comments = 3): Buffer {
  return makeFrames(subprotocol, [seq], prev, comments);
}

/** A volley frame of batches with `comments` comments each; `prev` is the seq before the first. */
export function makeFrames(subprotocol: string, seqs: readonly number[], prev = 0, comments = 3): Buffer {
  const batches = seqs.map((seq, at) => {
    const drafts = Array.from({ length: comments }, (_, i) => {
      return { text: `${seq} ${i}`, mode: 0, color: 0, size: 25, user: '', name: '', extra: '', at: 1_764_000_000_000 };
    });
    return { seq, prev: seqs[at - 1] ?? prev, bytes: encodeBatch(drafts).bytes };
  });
  if (subprotocol === 'volley.v1.json') return Buffer.from(encodeJsonFrame(batches, comments * seqs.length));
  const frame = Buffer.from(encodeMsgpackFrame(batches, comments * seqs.length));
  return subprotocol.endsWith('deflate') ? deflateRawSync(frame) : frame;
}

/** A server that says what a test tells it to, to the viewers that it names. */
export class ScriptedServer {
  readonly url: string;
  /** In the order in which they connected. */
  readonly viewers: WebSocket[] = [];
  /** When each did, benchNow() ms. */
  readonly connectedAt: number[] = [];
  /** What each viewer has said, in text. */
  readonly heard: string[] = [];
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer, welcome: string | undefined) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (viewer) => {
      this.viewers.push(viewer);
      this.connectedAt.push(benchNow());
      viewer.on('message', (data) => this.heard.push(String(data)));
      // A viewer that is cut off is part of some tests.
      viewer.on('error', () => undefined);
      if (welcome !== undefined) viewer.send(welcome);
    });
  }

  /** Listens on a free port. Whoever connects is sent `welcome`, if any. */
  static async start(welcome: string | undefined = WELCOME): Promise<ScriptedServer> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    return new ScriptedServer(server, welcome);
  }

  /** Sends to every viewer for which `to` holds. */
  send(message: Buffer | string, to: (viewer: number) => boolean = () => true): void {
    for (const [i, viewer] of this.viewers.entries()) {
      if (to(i)) viewer.send(message, { binary: typeof message !== 'string' });
    }
  }

  /** Waits until every viewer that is there has read all that it was sent: it answers a ping only then. */
  async settle(): Promise<void> {
    const open = this.viewers.filter((viewer) => viewer.readyState === viewer.OPEN);
    await Promise.all(
      open.map(async (viewer) => {
        const answered = once(viewer, 'pong');
        viewer.ping();
        await answered;
      }),
    );
  }

  async stop(): Promise<void> {
    for (const viewer of this.viewers) viewer.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
