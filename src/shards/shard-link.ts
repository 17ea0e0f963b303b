import type { MessagePort } from 'node:worker_threads';
import type { RefusalCode } from '../codes.ts';
import { DEFAULT_COLOR, DEFAULT_MODE, DEFAULT_SIZE, type Draft } from '../comment.ts';
import { countRefused, type MainCounters } from '../counters.ts';
import type { Origin } from '../rooms/room.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { JoinDesk } from './join-desk.ts';
import type { CommentColumns, CommentFailure, FromShard, JoinAnswer, ShardTurn, ToShard } from './messages.ts';

export interface ShardLinkOptions {
  readonly shard: number;
  readonly port: MessagePort;
  readonly rooms: Rooms;
  readonly desk: JoinDesk;
  readonly counters: MainCounters;
  readonly onListening: (library: string) => void;
  readonly onQuiesced: () => void;
}

/**
 * Main's end of one generation of one shard. It dies with the generation: what is answered after that goes nowhere,
 * since the viewers it was for are gone.
 */
export class ShardLink implements Origin {
  readonly #options: ShardLinkOptions;
  #answers: JoinAnswer[] = [];
  #stored: number[] = [];
  #failed: CommentFailure[] = [];
  #flushing = false;
  #closed = false;

  constructor(options: ShardLinkOptions) {
    this.#options = options;
    options.port.on('message', (message: FromShard) => this.#take(message));
  }

  /** Tells the shard that the ring is readable up to `head`. Answers gathered so far stand before it. */
  wake(head: number): void {
    this.#flush();
    this.#post(head);
  }

  /** Asks the shard to stop listening and to hand over the comments that it has taken. */
  quiesce(): void {
    this.#flush();
    this.#post({ kind: 'quiesce' });
  }

  /** Asks the shard to close its viewers and end. */
  closeViewers(): void {
    this.#flush();
    this.#post({ kind: 'close' });
  }

  /** Ends this generation: nothing more is sent or taken. */
  close(): void {
    this.#closed = true;
    this.#options.port.close();
  }

  stored(number: number, seq: number, place: number): void {
    this.#stored.push(number, seq, place);
    this.#flushLater();
  }

  failed(number: number, code: RefusalCode, retryAfterMs?: number): void {
    this.#failed.push(retryAfterMs === undefined ? { number, code } : { number, code, retryAfterMs });
    this.#flushLater();
  }

  #take(message: FromShard): void {
    if (this.#closed) return;
    this.#options.counters.messagesFromShards += 1;
    if (message.kind === 'turn') this.#takeTurn(message);
    else if (message.kind === 'listening') this.#options.onListening(message.library);
    else this.#options.onQuiesced();
  }

  #takeTurn(turn: ShardTurn): void {
    const { shard, rooms, desk } = this.#options;
    for (const request of turn.joins) {
      const answer = desk.answer(shard, request, (later) => this.#answer(later));
      if (answer !== null) this.#answer(answer);
    }
    for (const { room, codec, count } of turn.leaves) rooms.leave(room, shard, codec, count);
    if (turn.comments !== null) this.#offer(turn.comments);
  }

  /** An answer's boundary holds until the next commit, whose wake-up sends the answers before itself. */
  #answer(answer: JoinAnswer): void {
    this.#answers.push(answer);
    this.#flushLater();
  }

  #offer(columns: CommentColumns): void {
    const { rooms, counters } = this.#options;
    for (const [i, room] of columns.rooms.entries()) {
      const number = columns.first + i;
      const refusal = rooms.offer(room, draftAt(columns, i), this, number);
      if (refusal === undefined) counters.commentsSocket += 1;
      else {
        countRefused(counters, refusal.code);
        this.failed(number, refusal.code, refusal.retryAfterMs);
      }
    }
  }

  #flushLater(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#answers.length > 0) {
      this.#post({ kind: 'answers', answers: this.#answers });
      this.#answers = [];
    }
    if (this.#stored.length > 0 || this.#failed.length > 0) {
      this.#post({ kind: 'receipts', stored: Float64Array.from(this.#stored), failed: this.#failed });
      this.#stored = [];
      this.#failed = [];
    }
  }

  #post(message: ToShard): void {
    if (this.#closed) return;
    this.#options.counters.messagesToShards += 1;
    this.#options.port.postMessage(message);
  }
}

function draftAt(columns: CommentColumns, i: number): Draft {
  return {
    text: columns.texts[i] ?? '',
    mode: columns.modes[i] ?? DEFAULT_MODE,
    color: columns.colors[i] ?? DEFAULT_COLOR,
    size: columns.sizes[i] ?? DEFAULT_SIZE,
    extra: columns.extras[i] ?? '',
    user: '',
    name: columns.names[i] ?? '',
  };
}
