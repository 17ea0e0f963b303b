import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { readVersion } from '../../src/cli/version.ts';
import { compiledFile } from '../../src/compiled-file.ts';
import { ChildServer } from './child-server.ts';
import type { Contender } from './contender.ts';
import type { PeerCase } from './peer-case.ts';
import { PeerFeed } from './peer-feed.ts';

const ROOM = 'bench';

/** Rooms with one viewer each that are posted to while the server warms up, and how often a comment comes to each. */
const WARM_UP_ROOMS = Array.from({ length: 8 }, (_, i) => `warm-up-${i}`);
const WARM_UP_MS_A_COMMENT = 0.5;

/** What others are held against: one shard, fed over HTTP. */
export const VOLLEY: Contender = {
  name: 'volley',
  describe: 'this project: one worker thread, fed over HTTP with the comments of a push at a time',
  cases: ['small', 'large', 'spread'],
  prepare: async () => ({ version: `volley ${readVersion()}` }),
  start: async ({ peerCase, pushes, warmUpMs }) => {
    const { comments, every, subprotocol } = peerCase;
    const args = ['--port', '0', '--api-port', '0', '--workers', '1', '--store', 'memory', '--interval', String(every)];
    const server = new ChildServer('volley', process.execPath, [
      compiledFile('bench/scenarios/tethered-server.js'),
      ...args,
    ]);
    const { viewerUrl, apiUrl } = await server.find(readReady);
    await warmUp(viewerUrl, apiUrl, peerCase, warmUpMs);
    const feed = new PeerFeed({ apiUrl, rooms: [ROOM], comments, every, posts: pushes });
    return {
      address: {
        url: viewerUrl,
        path: `/rooms/${ROOM}`,
        subprotocol,
        protocol: 'volley',
        hello: [],
        extensions: '',
      },
      pid: server.pid,
      warmUpMs: 0,
      ended: server.ended,
      findFault: () => (feed.refused === 0 ? undefined : `did not take ${feed.refused} posts whole`),
      stop: () => {
        feed.stop();
        return server.stop();
      },
    };
  },
};

/**
 * Has the server's code compiled before it is measured, as it is after the first minutes of a stream: at ten posts a
 * second V8 would still be at it for most of the run. Whether all of these posts are taken does not matter.
 */
async function warmUp(viewerUrl: string, apiUrl: string, peerCase: PeerCase, ms: number): Promise<void> {
  const { comments, subprotocol } = peerCase;
  const viewers = WARM_UP_ROOMS.map((room) => new WebSocket(`${viewerUrl}/rooms/${room}`, subprotocol));
  await Promise.all(viewers.map((viewer) => once(viewer, 'open')));
  const every = Math.max(1, comments * WARM_UP_MS_A_COMMENT);
  const feed = new PeerFeed({ apiUrl, rooms: WARM_UP_ROOMS, comments, every, posts: WARM_UP_ROOMS.length });
  await sleep(ms);
  feed.stop();
  for (const viewer of viewers) viewer.terminate();
}

/** The addresses in the log line that a server writes once it is ready. */
function readReady(line: string): { viewerUrl: string; apiUrl: string } | undefined {
  if (!line.startsWith('{')) return undefined;
  const { msg, viewerUrl, apiUrl } = JSON.parse(line) as { msg?: string; viewerUrl?: string; apiUrl?: string };
  if (msg !== 'ready' || viewerUrl === undefined || apiUrl === undefined) return undefined;
  return { viewerUrl, apiUrl };
}
