import { clientFrame } from './comment-frames.ts';
import type { Connection, Viewer } from './connection.ts';
import type { LoadPlan } from './load-plan.ts';
import { FIN, TEXT_FRAME } from './opcodes.ts';
import type { PushCursor } from './pushes.ts';
import type { Room } from './room.ts';
import type { Samples } from './samples.ts';
import type { Tally } from './tally.ts';

const CONTINUATION = 0;
const OPCODE = { text: 1, binary: 2 } as const;

/** A viewer of a server that is not volley: messages of the kind that the plan names are frames, told apart by counting. */
export class OpaqueViewer implements Viewer {
  readonly #connection: Connection;
  readonly #room: Room;
  readonly #tally: Tally;
  readonly #samples: Samples;
  readonly #hello: readonly string[];
  /** Opcode of the messages that are frames. */
  readonly #frameOpcode: number;
  readonly #spreads: boolean;
  #hasHeard = false;
  #cursor: PushCursor | undefined;
  /** Opcode of a message in fragments. */
  #fragmented = 0;

  constructor(connection: Connection, room: Room, plan: LoadPlan, tally: Tally, samples: Samples) {
    this.#connection = connection;
    this.#room = room;
    this.#hello = plan.hello;
    this.#frameOpcode = OPCODE[plan.opaqueFrames ?? 'binary'];
    this.#tally = tally;
    this.#samples = samples;
    this.#spreads = connection.seat.steady && room.isShared;
  }

  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  start(): void {
    for (const text of this.#hello) this.#connection.write(clientFrame(TEXT_FRAME, Buffer.from(text)));
    if (this.#spreads) this.#cursor = this.#room.pushes.join();
    this.#connection.becomeUp();
  }

  onFrame(first: number): void {
    const opcode = first & 0x0f;
    if (opcode !== CONTINUATION) this.#fragmented = opcode;
    if ((first & FIN) !== 0 && this.#fragmented === this.#frameOpcode) this.#take();
  }

  needsWhole(): boolean {
    return false;
  }

  onSkimmed(first: number): void {
    this.onFrame(first);
  }

  afterRead(): void {}

  #take(): void {
    const tally = this.#tally;
    tally.frames += 1;
    tally.heardAt = tally.now;
    if (tally.isMeasuring) this.#hasHeard = true;
    if (this.#cursor === undefined) return;
    const push = this.#room.pushes.take(this.#cursor, tally.now);
    if (push !== undefined && !tally.isOver) this.#samples.countCopy(this.#room, push, tally.now);
  }
}
