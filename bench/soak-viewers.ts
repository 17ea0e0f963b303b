import { inflateRawSync } from 'node:zlib';
import { WebSocket } from 'ws';
import type { BatchMessage } from '../src/frames/batch-message.ts';
import { CODECS, SUBPROTOCOLS } from '../src/frames/codec.ts';
import { decodeMsgpackFrame } from '../src/frames/codec-msgpack.ts';

/** A batch that some viewers of its room have heard and others have not yet. */
interface Heard {
  readonly text: string;
  readonly comments: number;
  viewers: number;
}

/**
 * Viewers that decode everything they hear, for as long as one likes: a batch is forgotten when all viewers of its
 * room have heard it, and all heard the same.
 */
export class SoakViewers {
  readonly faults: string[] = [];
  /** Comments of batches that every viewer of the room has heard. */
  comments = 0;
  readonly #rooms = new Map<string, { viewers: number; heard: Map<number, Heard> }>();
  readonly #sockets: WebSocket[] = [];

  /** Seats a viewer and waits for its welcome. */
  seat(url: string, room: string, codec: number): Promise<void> {
    const name = CODECS[codec] ?? 'json';
    const socket = new WebSocket(`${url}/rooms/${room}`, SUBPROTOCOLS[codec], { perMessageDeflate: false });
    const state = this.#rooms.get(room) ?? { viewers: 0, heard: new Map<number, Heard>() };
    state.viewers += 1;
    this.#rooms.set(room, state);
    this.#sockets.push(socket);
    let seq = 0;
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.on('close', (code) => this.faults.push(`${room} on ${name}: closed ${code}`));
      socket.on('message', (data: Buffer, isBinary) => {
        const message = isBinary ? decodeFrame(data, name) : (JSON.parse(data.toString()) as BatchMessage);
        if (message.type === 'batch') {
          if (message.prev !== seq) this.faults.push(`${room} on ${name}: prev ${message.prev} after seq ${seq}`);
          seq = message.seq;
          this.#hear(room, state, message);
        } else if ((message as { type: string }).type === 'welcome') {
          seq = message.seq;
          resolve();
        }
      });
    });
  }

  /** Batches that not everybody has heard. */
  get unheard(): number {
    return [...this.#rooms.values()].reduce((sum, { heard }) => sum + heard.size, 0);
  }

  close(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('close').close();
  }

  #hear(room: string, { viewers, heard }: { viewers: number; heard: Map<number, Heard> }, batch: BatchMessage): void {
    const text = JSON.stringify(batch.comments);
    let first = heard.get(batch.seq);
    if (first === undefined) {
      first = { text, comments: batch.comments.length, viewers: 0 };
      heard.set(batch.seq, first);
    }
    if (first.text !== text) this.faults.push(`${room}: batch ${batch.seq} differs between viewers`);
    first.viewers += 1;
    if (first.viewers < viewers) return;
    heard.delete(batch.seq);
    this.comments += first.comments;
  }
}

function decodeFrame(data: Buffer, codec: string): BatchMessage {
  return decodeMsgpackFrame(codec === 'deflate' ? inflateRawSync(data) : data);
}
