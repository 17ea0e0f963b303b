import { type LoadPlan, READING } from './plan.ts';

/** A small plan: ten viewers of one room, who only read. */
export function makePlan(changed: Partial<LoadPlan> = {}): LoadPlan {
  return {
    ...READING,
    url: 'ws://127.0.0.1:9',
    paths: ['/rooms/r'],
    subprotocol: '',
    protocol: 'volley',
    hello: [],
    extensions: '',
    connections: 10,
    comments: [
      { text: '神之感动', mode: 'scroll', color: 16_777_215, size: 25 },
      { text: 'hello "there"', mode: 'top', color: 255, size: 30 },
      { text: '233333', mode: 'bottom', color: 0, size: 18 },
    ],
    sampleEvery: 3,
    ...changed,
  };
}
