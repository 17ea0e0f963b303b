import type { MessagePort } from 'node:worker_threads';
import type { Draft } from '../src/comment.ts';
import type { Codec } from '../src/frames/codec.ts';
import type { CommentColumns, FromShard, JoinPoint, JoinRequest, Leave } from '../src/shards/messages.ts';
import type { Viewer } from './viewer.ts';

/**
 * Gathers what one turn of the loop has for main and posts it as one message: however many viewers join, leave and
 * comment in a turn, main is woken once.
 */
export class Outbox {
  readonly #port: MessagePort;
  readonly #asking = new Map<string, { request: JoinRequest & { joining: number }; viewers: Viewer[] }>();
  /** Viewers that wait for an answer, by the request's id. */
  readonly #asked = new Map<number, Viewer[]>();
  readonly #leaves = new Map<string, { room: string; codec: Codec; count: number }>();
  #comments: CommentColumns | null = null;
  #nextRequest = 1;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** Asks where `viewer` goes on from its point. Viewers at the same point share one request. */
  ask(viewer: Viewer, point: JoinPoint): void {
    const { room, codec } = viewer;
    const key = `${room} ${codec} ${JSON.stringify(point)}`;
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = { request: { id: this.#nextRequest, room, codec, joining: 0, from: point }, viewers: [] };
      this.#nextRequest += 1;
      this.#asking.set(key, asking);
    }
    asking.viewers.push(viewer);
    this.#schedule();
  }

  /** The viewers that asked `id`, for its one answer. Some may be closed by now. */
  answered(id: number): readonly Viewer[] {
    const viewers = this.#asked.get(id) ?? [];
    this.#asked.delete(id);
    return viewers;
  }

  /** Counts out a viewer that main has counted in. */
  leave(room: string, codec: Codec): void {
    const key = `${room} ${codec}`;
    const leave = this.#leaves.get(key);
    if (leave === undefined) this.#leaves.set(key, { room, codec, count: 1 });
    else leave.count += 1;
    this.#schedule();
  }

  /** Hands a comment on. `number`s must rise by one. */
  comment(number: number, room: string, draft: Draft): void {
    this.#comments ??= { first: number, rooms: [], texts: [], modes: [], colors: [], sizes: [], names: [], extras: [] };
    const { rooms, texts, modes, colors, sizes, names, extras } = this.#comments;
    rooms.push(room);
    texts.push(draft.text);
    modes.push(draft.mode);
    colors.push(draft.color);
    sizes.push(draft.size);
    names.push(draft.name);
    extras.push(draft.extra);
    this.#schedule();
  }

  /** Posts what is gathered now. */
  flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    const joins = this.#takeJoins();
    const leaves: Leave[] = [...this.#leaves.values()];
    const comments = this.#comments;
    this.#leaves.clear();
    this.#comments = null;
    if (joins.length === 0 && leaves.length === 0 && comments === null) return;
    this.post({ kind: 'turn', joins, leaves, comments });
  }

  post(message: FromShard): void {
    this.#port.postMessage(message);
  }

  #takeJoins(): JoinRequest[] {
    const joins: JoinRequest[] = [];
    for (const { request, viewers } of this.#asking.values()) {
      // Who closed in this very turn was never counted, and is not to be now.
      const open = viewers.filter((viewer) => !viewer.closed);
      if (open.length === 0) continue;
      for (const viewer of open) {
        if (!viewer.counted) request.joining += 1;
        viewer.count();
      }
      this.#asked.set(request.id, open);
      joins.push(request);
    }
    this.#asking.clear();
    return joins;
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => this.flush());
  }
}
