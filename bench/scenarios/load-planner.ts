import type { RecordedComment } from '../../scripts/bilibili-xml.ts';
import { CODECS, SUBPROTOCOLS } from '../../src/frames/codec.ts';
import type { LoadPlan } from '../load/load-plan.ts';
import type { RunSettings } from './run-settings.ts';
import type { Shape } from './shape.ts';
import { chooseSampleStep } from './viewer-sample.ts';

/** The names of the rooms of a run. */
export function nameRooms(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `bench-${i}`);
}

export function pathOf(room: string): string {
  return `/rooms/${room}`;
}

/** The load that settings and a scenario's shape ask for. */
export function planLoad(
  url: string,
  settings: RunSettings,
  shape: Shape,
  comments: readonly RecordedComment[],
): LoadPlan {
  const { connections, rooms, workers, codec, senders } = settings;
  return {
    url,
    paths: nameRooms(rooms).map(pathOf),
    subprotocol: SUBPROTOCOLS[CODECS.indexOf(codec)] ?? '',
    protocol: 'volley',
    hello: [],
    extensions: '',
    connections,
    threads: Math.min(workers, connections),
    senders,
    sending: shape.sending,
    comments: comments.map(({ text, mode, color, size }) => ({ text, mode, color, size })),
    deaf: shape.deaf,
    churn: shape.churn,
    sampleEvery: chooseSampleStep(connections),
  };
}
