import { inflateRawSync } from 'node:zlib';
import { type Codec, DEFLATE_CODEC, JSON_CODEC } from '../frames/codec.ts';
import { decodeMsgpackFrame } from '../frames/codecs.ts';
import type { BatchMessage } from '../frames/messages.ts';
import type { Store } from '../store/store.ts';
import { settle } from '../testing/clock.ts';
import { batchOf, createRooms, type RigOptions, type RoomsRig } from '../testing/rooms.ts';
import { FakeStore } from '../testing/store-fake.ts';
import { JoinDesk } from './join-desk.ts';
import type { JoinAnswer, JoinPoint } from './messages.ts';

/** A store whose room `a` holds batches with these seqs, two comments each. */
export function createStore(...seqs: number[]): FakeStore {
  const store = new FakeStore();
  for (const seq of seqs) store.deliver(store.put('a', batchOf(`${seq}.0`, `${seq}.1`), seq));
  return store;
}

/** Requests of one shard, and their answers as they come. */
class Asked {
  answer: JoinAnswer | null = null;

  get welcome(): unknown {
    return JSON.parse(this.answer?.welcome ?? 'null');
  }
}

export interface DeskRig<S extends Store> extends RoomsRig<S> {
  readonly desk: JoinDesk;
  /** Backfills that could not be read. */
  readonly faults: readonly { room: string; error: unknown }[];
  /** Asks for one viewer of shard 0. */
  ask(from: JoinPoint, options?: { codec?: Codec; joining?: number; room?: string }): Asked;
  /** Asks step by step until the answer is live, and gives all answers. */
  climb(from: JoinPoint, codec?: Codec): Promise<JoinAnswer[]>;
}

export async function createDesk<S extends Store>(
  store: S,
  options: RigOptions & { readonly stepBytes?: number; readonly maxBackfill?: number } = {},
): Promise<DeskRig<S>> {
  const rig = await createRooms(store, options);
  const { clock, rooms, counters } = rig;
  const faults: { room: string; error: unknown }[] = [];
  const desk = new JoinDesk({
    stepBytes: 32_768,
    maxBackfill: 10_000,
    interval: 1_000,
    ...options,
    clock,
    rooms,
    store,
    counters,
    onFault: (room, error) => faults.push({ room, error }),
  });
  // Open, as while somebody watches it.
  rooms.join('a', 0, JSON_CODEC, 0);
  await settle();
  let id = 0;
  const ask: DeskRig<S>['ask'] = (from, { codec = JSON_CODEC, joining = 1, room = 'a' } = {}) => {
    const asked = new Asked();
    id += 1;
    const now = desk.answer(0, { id, room, codec, joining, from }, (later) => {
      if (asked.answer !== null) throw new Error(`request ${later.id} was answered before`);
      asked.answer = later;
    });
    asked.answer ??= now;
    return asked;
  };
  return {
    ...rig,
    desk,
    faults,
    ask,
    async climb(from, codec = JSON_CODEC) {
      const answers: JoinAnswer[] = [];
      for (let point = from; answers.at(-1)?.live !== true; ) {
        const asked = ask(point, { codec, joining: answers.length === 0 ? 1 : 0 });
        await settle();
        if (asked.answer === null) throw new Error('a request was not answered');
        answers.push(asked.answer);
        point = { kind: 'next', seq: asked.answer.reached };
      }
      return answers;
    },
  };
}

/** The batch message in a frame, whatever the codec. */
export function decodeFrame(frame: Uint8Array | null | undefined, codec: Codec): BatchMessage | undefined {
  if (frame == null) return undefined;
  if (codec === JSON_CODEC) return JSON.parse(new TextDecoder().decode(frame)) as BatchMessage;
  return decodeMsgpackFrame(codec === DEFLATE_CODEC ? inflateRawSync(frame) : frame);
}
