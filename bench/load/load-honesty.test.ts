import { afterEach, describe, expect, it } from 'vitest';
import { SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { startLoad } from './load.ts';
import { makePlan } from './load-plan.fixture.ts';
import type { LoadPlan } from './plan.ts';
import type { LoadFigures } from './results.ts';
import { makeFrame, makeFrames, ScriptedServer } from './scripted-server.fixture.ts';

/** What a server does wrong, and whether the load tells. */

const JSON_NAME = SUBPROTOCOLS[0];
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/**
 * Ten viewers who are up, and measured, when the script begins. Gives the figures once they have read all of it; what
 * one has had by then, all should have had.
 */
async function measure(
  plan: Partial<LoadPlan>,
  script: (server: ScriptedServer) => void | Promise<void>,
  settledAfter = 0,
): Promise<LoadFigures> {
  const server = await ScriptedServer.start();
  closing.push(() => server.stop());
  const load = await startLoad(makePlan({ url: server.url, ...plan }), undefined, { settledAfter });
  closing.unshift(() => load.stop());
  await load.begin();
  await script(server);
  await server.settle();
  return load.end();
}

/** JSON text goes as text, all else as binary. */
function asSent(subprotocol: string, frame: Buffer): Buffer | string {
  return subprotocol === JSON_NAME ? frame.toString() : frame;
}

describe.each(SUBPROTOCOLS)('on %s', (subprotocol) => {
  function frame(seq: number, prev = seq - 1, comments = 3): Buffer | string {
    return asSent(subprotocol, makeFrame(subprotocol, seq, prev, comments));
  }

  it('frames that single viewers never got are counted as lost, one for one', async () => {
    const figures = await measure({ subprotocol }, async (server) => {
      for (let seq = 1; seq <= 9; seq += 1) {
        server.send(
          frame(seq),
          (viewer) => !(viewer === 3 && seq >= 2 && seq <= 5) && !(viewer === 7 && seq % 4 === 0),
        );
        // How many are missing is told by those who have them, so these must have read them first.
        await server.settle();
      }
    });
    expect(figures).toMatchObject({ frames: 84, comments: 252, lost: 6, outOfOrder: 0, faults: [] });
    // In the spread are all but those that somebody never had, 2 to 5 and 8, and those are told too.
    expect(figures.spread.totalCount).toBe(4);
    expect(figures).toMatchObject({ incomplete: 5, starved: 0 });
  });

  it('two batches in one frame are what others have in two', async () => {
    const both = asSent(subprotocol, makeFrames(subprotocol, [1, 2]));
    const figures = await measure({ subprotocol }, (server) => {
      for (const seq of [1, 2]) server.send(frame(seq), (viewer) => viewer !== 3);
      server.send(both, (viewer) => viewer === 3);
    });
    expect(figures).toMatchObject({ frames: 19, comments: 60, lost: 0, faults: [], incomplete: 0, starved: 0 });
    expect(figures.spread.totalCount).toBe(2);
  });
});

describe('frames', () => {
  const subprotocol = 'volley.v1.msgpack.deflate';

  function frame(seq: number, prev = seq - 1, comments = 3): Buffer {
    return makeFrame(subprotocol, seq, prev, comments);
  }

  it('that one viewer never gets leave it starved, and none has reached all', async () => {
    const figures = await measure({ subprotocol }, (server) => {
      for (let seq = 1; seq <= 9; seq += 1) server.send(frame(seq), (viewer) => viewer !== 3);
    });
    expect(figures).toMatchObject({ frames: 81, lost: 0, incomplete: 9, starved: 1 });
    expect(figures.spread.totalCount).toBe(0);
  });

  it('that no viewer has count as one frame each', async () => {
    const figures = await measure({ subprotocol }, (server) => {
      server.send(frame(1));
      server.send(frame(5, 4));
    });
    expect(figures).toMatchObject({ frames: 20, lost: 10, outOfOrder: 0, faults: [] });
  });

  it('that come twice or late are out of order', async () => {
    const figures = await measure({ subprotocol }, (server) => {
      for (const seq of [1, 2, 2, 1]) server.send(frame(seq));
    });
    expect(figures).toMatchObject({ frames: 40, lost: 0, outOfOrder: 20, faults: [] });
  });

  it('that are large are followed in every viewer, in however many reads they come', async () => {
    const figures = await measure({ subprotocol, sampleEvery: 1_000 }, (server) => {
      for (let seq = 1; seq <= 3; seq += 1) server.send(frame(seq, seq - 1, 8_000));
    });
    expect(figures).toMatchObject({ frames: 30, comments: 240_000, lost: 0, outOfOrder: 0, faults: [] });
    expect(figures.spread.totalCount).toBe(3);
  });
});

describe('a load that counts what viewers get who are not sampled', () => {
  const subprotocol = 'volley.v1.msgpack';

  it('has the figures of a server whose frames say nothing, and the losses of the sampled viewer', async () => {
    const figures = await measure({ subprotocol, counted: true, sampleEvery: 1_000 }, (server) => {
      for (let seq = 1; seq <= 9; seq += 1) {
        server.send(makeFrame(subprotocol, seq, seq - 1), (viewer) => !(viewer === 0 && seq === 4));
      }
    });
    // The sampled viewer is the first, and takes no part in the spread.
    expect(figures).toMatchObject({ frames: 89, lost: 1, outOfOrder: 0, faults: [], starved: 0, incomplete: 0 });
    expect(figures.spread.totalCount).toBe(9);
  });
});

describe('the end of a load', () => {
  const subprotocol = 'volley.v1.msgpack';

  it('leaves alone what may still be on its way', async () => {
    const script = (server: ScriptedServer): void => {
      server.send(makeFrame(subprotocol, 1, 0), (viewer) => viewer !== 3);
    };
    expect(await measure({ subprotocol }, script, 60_000)).toMatchObject({ frames: 9, incomplete: 0, starved: 0 });
    expect(await measure({ subprotocol }, script)).toMatchObject({ frames: 9, incomplete: 1, starved: 1 });
  });

  it('tells a silence: since before it began, or since the last frame', async () => {
    const silent = await measure({ subprotocol }, () => undefined);
    expect(silent.silentFor).toBeGreaterThan(silent.seconds * 1_000);
    // Nobody had anything, so nobody had less than others.
    expect(silent).toMatchObject({ frames: 0, starved: 0, incomplete: 0 });
    const heard = await measure({ subprotocol }, (server) => server.send(makeFrame(subprotocol, 1, 0)));
    expect(heard.silentFor).toBeLessThan(heard.seconds * 1_000);
  });
});

describe('a connection that waits for its turn', () => {
  it('is timed from when it was due', async () => {
    let connectedAt: number[] = [];
    const figures = await measure({ connections: 200, atOnce: 1 }, (server) => {
      connectedAt = server.connectedAt;
    });
    expect(figures.connect.totalCount).toBe(200);
    const queue = (connectedAt.at(-1) ?? 0) - (connectedAt[0] ?? 0);
    expect(queue).toBeGreaterThan(0);
    // Three digits are kept.
    expect(figures.connect.maxValue).toBeGreaterThan(queue * 1_000 * 0.99);
    expect(figures.connectCpu).toBeGreaterThan(0);
  });
});

describe('a viewer', () => {
  it('finds what is wrong with a frame', async () => {
    const subprotocol = 'volley.v1.json';
    const { faults, frames } = await measure({ subprotocol }, (server) => {
      server.send(String(makeFrame(subprotocol, 1, 0)));
      server.send(
        String(makeFrame(subprotocol, 2, 1))
          .replace('"2.1"', '"2.7"')
          .replace('"size":25', '"size":0'),
      );
    });
    expect(frames).toBe(20);
    expect(faults).toEqual(['comment 2.0 has size 0']);
  });

  it('finds a copy that is not what the others got', async () => {
    const subprotocol = 'volley.v1.msgpack';
    const good = makeFrame(subprotocol, 1, 0, 200);
    const bad = Buffer.from(good);
    // The header of a text in the middle becomes a byte that msgpack never has.
    bad[bad.indexOf('1 99') - 1] = 0xc1;
    const { faults, frames } = await measure({ subprotocol }, (server) => {
      server.send(good, (viewer) => viewer !== 5);
      server.send(bad, (viewer) => viewer === 5);
    });
    expect(frames).toBe(9);
    expect(faults).toEqual([expect.stringMatching(/cannot be decoded/)]);
  });
});

describe('a fault', () => {
  it('is told of each that there is', async () => {
    const cases: [string | Buffer, RegExp][] = [
      [Buffer.from('hello'), /a frame of 5 bytes cannot be decoded/],
      ['hello', /not JSON: hello/],
      ['{"type":"welcome","room":"r","seq":0,"viewers":1,"interval":1000}', /twice/],
      ['{"type":"advertisement"}', /type "advertisement"/],
      ['{"type":"ack","ref":"1","id":"4.0","seq":4}', /acknowledged comment 1 of batch 4/],
      ['{"type":"refused","ref":"9","code":"BUSY"}', /refused \(BUSY\) comment 9/],
    ];
    const subprotocol = 'volley.v1.msgpack';
    const { faults, frames } = await measure({ subprotocol }, (server) => {
      for (const [message] of cases) server.send(message);
      server.send(makeFrame(subprotocol, 1, 0));
    });
    expect(frames).toBe(10);
    expect(faults).toEqual(cases.map(([, sentence]) => expect.stringMatching(sentence)));
  });

  it('is a batch before the welcome', async () => {
    const subprotocol = 'volley.v1.json';
    const early = String(makeFrame(subprotocol, 1, 0));
    const server = await ScriptedServer.start(early);
    closing.push(() => server.stop());
    const plan = makePlan({ url: server.url, subprotocol });
    await expect(startLoad(plan, undefined, { answerWithin: 300 })).rejects.toThrow(/sent no welcome within 0\.3 s/);
  });
});

describe('what a server says besides', () => {
  it('is counted: skipped, and closings by their code', async () => {
    const subprotocol = 'volley.v1.msgpack';
    const figures = await measure({ subprotocol }, async (server) => {
      server.send('{"type":"skipped"}', (viewer) => viewer < 3);
      server.send('{"type":"presence","seq":0,"viewers":10}');
      server.send(makeFrame(subprotocol, 1, 0));
      await server.settle();
      server.viewers[1]?.close(4008, 'too slow');
      server.viewers[2]?.close();
      server.viewers[3]?.terminate();
      // A cut is answered by nothing. Whoever has read something twice since has had a turn of the loop between.
      await server.settle();
    });
    expect(figures).toMatchObject({ frames: 10, skipped: 3, faults: [] });
    expect(figures.closed).toEqual(new Map([4008, 1005, 1006].map((code) => [code, 1])));
  });

  it('is answered where it is a ping', async () => {
    const pongs: string[] = [];
    const subprotocol = 'volley.v1.msgpack';
    await measure({ subprotocol }, (server) => {
      for (const viewer of server.viewers) viewer.on('pong', (data) => pongs.push(String(data)));
      for (const viewer of server.viewers) viewer.ping('are you there');
      server.send(makeFrame(subprotocol, 1, 0));
    });
    expect(pongs.filter((said) => said !== '')).toEqual(new Array(10).fill('are you there'));
  });
});

describe('an opaque server', () => {
  const opaque = { protocol: 'opaque', paths: ['/anything'], hello: ['first word', 'second'] } as const;

  it('that sends a viewer nothing is told', async () => {
    const figures = await measure(opaque, (server) => {
      for (const size of [10, 20, 30]) server.send(Buffer.alloc(size), (viewer) => viewer !== 3);
    });
    expect(figures).toMatchObject({ frames: 27, incomplete: 3, starved: 1 });
    expect(figures.spread.totalCount).toBe(0);
  });

  it('has its binary messages counted, and its pushes told apart', async () => {
    let heard: string[] = [];
    const figures = await measure(opaque, (server) => {
      heard = server.heard;
      for (const size of [10, 1_000, 100_000, 10, 10]) {
        server.send(Buffer.alloc(size));
        server.send('a text');
      }
    });
    expect(figures).toMatchObject({ frames: 50, comments: 0, lost: 0, faults: [] });
    // Each with its header; the last two are the ping after which all is read.
    expect(figures.bytes).toBe(10 * (3 * (10 + 2) + (1_000 + 4) + (100_000 + 10) + 5 * (6 + 2) + 2));
    expect(figures.spread.totalCount).toBe(5);
    expect(figures.latency.totalCount).toBe(0);
    expect(figures.connect.totalCount).toBe(10);
    expect(heard.toSorted()).toEqual([...new Array(10).fill('first word'), ...new Array(10).fill('second')]);
  });
});
