import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { compiledFile } from '../../src/compiled-file.ts';
import { withDeathSignal } from './contenders.ts';

const NAMES = ['volley', 'floor', 'uws-send', 'uws-publish', 'ws', 'socket.io'];

/** As in util-linux, but not everywhere. */
const hasDeathSignal = (await withDeathSignal('true', []))[0] === 'setpriv';

const folder = mkdtempSync(join(tmpdir(), 'orphans-'));

/** Whether `pid` runs; one that has ended but that nobody has waited for does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

async function startParent(names: readonly string[]) {
  const parent = spawn(process.execPath, [compiledFile('bench/peers/contender-parent.fixture.js'), ...names], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  return { parent, pids: JSON.parse(line) as number[] };
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function expectEnd(names: readonly string[], signal: NodeJS.Signals): Promise<void> {
  const { parent, pids } = await startParent(names);
  expect(pids.filter(isRunning)).toHaveLength(names.length);
  parent.kill(signal);
  await expect.poll(() => names.filter((_, i) => isRunning(pids[i] ?? 0)), { timeout: 15_000 }).toEqual([]);
}

describe('contenders', () => {
  it('end when their parent is gone by SIGKILL', () => expectEnd(NAMES, 'SIGKILL'));

  it.runIf(hasDeathSignal)('end then where they do not look at stdin', () => expectEnd(['heir'], 'SIGKILL'));

  it('end when their parent ends by itself, whether they look at stdin or not', () => {
    return expectEnd(['stranger', 'floor'], 'SIGTERM');
  });
});
