/** A comment that is taken back, as viewers on all codecs see it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CODECS } from '../src/frames/codec.ts';
import { ServerHere } from '../src/testing/server-here.ts';
import { ViewerClient } from '../src/testing/viewer-client.ts';

let server: ServerHere;

beforeAll(async () => {
  server = await ServerHere.start(['--workers', '2', '--interval', '50']);
});

afterAll(async () => {
  await server.stop();
});

/** Posts three comments to a room, in one batch. */
async function fill(room: string): Promise<void> {
  const texts = ['first', 'rude', 'last'].map((text) => ({ text }));
  expect((await server.post(room, texts, '?wait=stored')).body.ids).toEqual(['1.0', '1.1', '1.2']);
}

async function recall(room: string, id: string): Promise<number> {
  return (await fetch(`${server.apiUrl}/rooms/${room}/comments/${id}`, { method: 'DELETE' })).status;
}

const RECALL = { type: 'recall', ids: ['1.1'] };

describe('a recalled comment', () => {
  it('is taken off by every viewer of a quiet room, whatever the codec', async () => {
    const viewers = CODECS.map((codec) => new ViewerClient(server.viewerUrl, 'quiet', { codec }));
    const others = new ViewerClient(server.viewerUrl, 'other');
    await Promise.all([...viewers, others].map((viewer) => viewer.welcome()));
    await fill('quiet');
    for (const viewer of viewers) await viewer.until(() => viewer.comments.length === 3);
    expect(await recall('quiet', '1.1')).toBe(204);
    for (const viewer of viewers) {
      expect(await viewer.message(({ type }) => type === 'recall')).toEqual(RECALL);
      expect(viewer.messages.at(-1)).toEqual(RECALL);
      expect(viewer.faults).toEqual([]);
    }
    expect(others.messages).toHaveLength(1);
    expect(await server.metric('volley_comments_recalled_total')).toBe(1);
    for (const viewer of [...viewers, others]) await viewer.close();
  });

  it('is not given to who joins later, and the others keep their ids', async () => {
    await fill('later');
    expect(await recall('later', '1.1')).toBe(204);
    for (const codec of CODECS) {
      const viewer = new ViewerClient(server.viewerUrl, 'later', { codec, query: '?history=10' });
      await viewer.until(() => viewer.comments.length > 0);
      expect(viewer.comments.map(({ id, text }) => `${id} ${text}`)).toEqual(['1.0 first', '1.2 last']);
      await viewer.close();
    }
  });

  it('is told to who was away, while somebody watched', async () => {
    const watching = new ViewerClient(server.viewerUrl, 'away');
    await watching.welcome();
    await fill('away');
    expect(await recall('away', '1.1')).toBe(204);
    await watching.message(({ type }) => type === 'recall');
    const back = new ViewerClient(server.viewerUrl, 'away', { codec: 'deflate', query: '?since=1' });
    expect(await back.message(({ type }) => type === 'recall')).toEqual(RECALL);
    const fresh = new ViewerClient(server.viewerUrl, 'away');
    await fresh.welcome();
    await server.post('away', { text: 'next' });
    for (const viewer of [back, fresh]) await viewer.until(() => viewer.comments.length === 1);
    expect(fresh.messages.map(({ type }) => type)).toEqual(['welcome', 'batch']);
    for (const viewer of [watching, back, fresh]) await viewer.close();
  });
});
