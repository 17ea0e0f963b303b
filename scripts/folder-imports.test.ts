import { describe, expect, it } from 'vitest';
import { compareFolders } from './folder-imports.ts';

function differences(path: string, text: string): string[] {
  return compareFolders(new Map([[path, text]])).differences;
}

describe('the imports between folders', () => {
  it('may go down the road, and to leaves', () => {
    const text = "import { Room } from './room.ts';\nimport type { Store } from '../store/store.ts';\n";
    expect(differences('src/rooms/rooms.ts', `${text}import { REFUSALS } from '../codes.ts';\n`)).toEqual([]);
    expect(differences('workers/shard.ts', "import type { ToShard } from '../src/shards/messages.ts';")).toEqual([]);
    expect(differences('src/client/link.ts', "import type { CodecName } from '../frames/codec.ts';")).toEqual([]);
  });

  it.each([
    ['up the road', 'src/frames/pusher.ts', "import type { Room } from '../rooms/room.ts';", 'src/rooms/room.ts'],
    ['from a leaf', 'src/codes.ts', "import type { Room } from './rooms/room.ts';", 'src/rooms/room.ts'],
    ['of the server', 'src/api/app.ts', "import { startServer } from '../server.ts';", 'src/server.ts'],
    ['in several lines', 'src/client/link.ts', "import {\n  Rooms,\n} from '../rooms/rooms.ts';", 'src/rooms/rooms.ts'],
    ['as they are needed', 'src/store/store.ts', "await import('../rooms/rooms.ts')", 'src/rooms/rooms.ts'],
    [
      'of what is for tests',
      'workers/shard.ts',
      "import { Fake } from './fake.fixture.ts';",
      'workers/fake.fixture.ts',
    ],
    [
      'of what tests share',
      'src/api/app.ts',
      "import { FakeClock } from '../testing/clock.ts';",
      'src/testing/clock.ts',
    ],
  ])('may not go %s', (_way, path, text, target) => {
    expect(differences(path, text)).toEqual([`${path}: may not import ${target} (scripts/folder-imports.ts)`]);
  });
});
