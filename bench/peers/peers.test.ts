import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { compiledFile } from '../../src/compiled-file.ts';
import { expectShape } from '../report/document-shape.fixture.ts';
import { ChildServer } from '../run/server.ts';
import type { CaseName } from './cases.ts';
import { peersCommand } from './command.ts';
import { CONTENDERS, type Contender, opaqueAddress, type RunningContender } from './contenders.ts';

const QUICK = [
  '--viewers',
  '5',
  '--seconds',
  '1',
  '--warmup',
  '0',
  '--compile',
  '0',
  '--turns',
  '1',
  '--case',
  'small',
];

const folder = mkdtempSync(join(tmpdir(), 'peers-command-'));
const page = join(folder, 'benchmarks.md');

async function run(argv: readonly string[], contenders = CONTENDERS, signal = new AbortController().signal) {
  let stdout = '';
  let stderr = '';
  const code = await peersCommand(argv, {
    contenders,
    stdout: { write: (text) => (stdout += text) },
    stderr: new Writable({
      write: (text, _encoding, done) => {
        stderr += String(text);
        done();
      },
    }),
    program: ['node', 'peers.js'],
    page,
    signal,
  });
  return { code, stdout, stderr };
}

/** A contender in the place of volley. */
function contenderOf(name: string, start: Contender['start']): Contender {
  return { name, describe: '', cases: ['small'], prepare: async () => ({ version: '1' }), start };
}

/** A contender of the list. */
function known(name: string): Contender {
  const found = CONTENDERS.find((contender) => contender.name === name);
  if (found === undefined) throw new Error(`no contender ${name}`);
  return found;
}

/** Another contender by the name of volley, which starts sooner and takes part in one case only. */
function inPlaceOfVolley(name: string, caseName: CaseName): Contender {
  return { ...known(name), name: 'volley', cases: [caseName] };
}

/** The process that `parent` has started with `program` in its command line; 0 while there is none. */
function findChild(parent: number, program: string): number {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'latin1').split(' ').filter(Boolean);
  return Number(children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(program)) ?? 0);
}

afterAll(() => rmSync(folder, { recursive: true }));

describe('a run', () => {
  it('holds volley against the others', async () => {
    const { code, stdout } = await run([...QUICK, '--only', 'ws', '--json']);
    expect(code).toBe(0);
    const document = JSON.parse(stdout) as {
      provenance: { command: string };
      cases: { rows: { contender: string; framesPerSecond: number; ratio: { median: number } | null }[] }[];
    };
    expectShape(document, 'peers');
    expect(document.provenance.command).toContain('node peers.js --viewers 5');
    const [volley, ws] = document.cases[0]?.rows ?? [];
    expect([volley?.contender, ws?.contender]).toEqual(['volley', 'ws']);
    expect(ws?.framesPerSecond).toBeGreaterThan(0);
    expect(ws?.ratio?.median).toBeGreaterThan(0);
    expect(volley?.ratio).toBeNull();
  });

  it('gives each contender as many turns as were asked for, prints tables, and writes the page', async () => {
    const argv = [...QUICK.slice(0, -4), '--turns', '3', '--write'];
    const { code, stdout, stderr } = await run(argv, [inPlaceOfVolley('floor', 'small')]);
    expect([code, stderr.replaceAll(/: .*/g, '').split('\n')]).toEqual([
      0,
      ['small, turn 1 of 3, volley', 'small, turn 2 of 3, volley', 'small, turn 3 of 3, volley', ''],
    ]);
    expect(stdout).toContain('volley / contender');
    expect(stdout).toMatch(/^\| volley +\|/m);
    expect(readFileSync(page, 'utf8')).toMatch(/^# Benchmarks\n[\s\S]*\n\| volley +\|/);
  });

  it('does not write the page when it is a part', async () => {
    expect(await run([...QUICK, '--write', '--turns', '3'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: --write wants 3 turns or more, and neither --case nor --only\n',
    });
  });

  it('measures the time from the first to the last viewer', async () => {
    const argv = [...QUICK.slice(0, -2), '--seconds', '2', '--case', 'spread', '--json'];
    const { code, stdout } = await run(argv, [inPlaceOfVolley('floor', 'spread')]);
    expect(code).toBe(0);
    const { cases } = JSON.parse(stdout) as { cases: { viewers: number; rows: { spread: { median: number } }[] }[] };
    expect(cases[0]?.viewers).toBe(13);
    for (const { spread } of cases[0]?.rows ?? []) {
      expect(spread.median).toBeGreaterThan(0);
      expect(spread.median).toBeLessThan(1_000);
    }
  });
});

describe('a contender', () => {
  it('that dies at once ends the run with one sentence', async () => {
    const dying = contenderOf('dying', async () => {
      await new ChildServer('dying', process.execPath, ['-e', 'process.exit(3)']).findPort();
      throw new Error('it listens');
    });
    expect(await run(QUICK, [dying])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'bench:peers: dying ended with exit code 3\n',
    });
  });

  it('that dies in mid-run ends the run with one sentence', async () => {
    const frail = contenderOf('frail', async (order) => {
      const running = await known('uws-send').start(order);
      const timer = setTimeout(() => process.kill(running.pid, 'SIGKILL'), 1_000);
      void running.ended.then(() => clearTimeout(timer));
      return running;
    });
    const { code, stdout, stderr } = await run([...QUICK, '--seconds', '60'], [frail]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^bench:peers: frail (ended by SIGKILL|lost its viewers).*\n$/);
  });

  it('that delivers nothing is no row of zeros', async () => {
    const silent = contenderOf('silent', async (): Promise<RunningContender> => {
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
      await once(server, 'listening');
      return {
        address: opaqueAddress((server.address() as AddressInfo).port),
        pid: process.pid,
        warmUpMs: 0,
        ended: new Promise(() => {}),
        push: () => undefined,
        pause: () => undefined,
        stop: async () => server.close(),
      };
    });
    expect(await run(QUICK, [silent])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'bench:peers: silent delivered nothing\n',
    });
  });

  it('that some viewers lose is no result', async () => {
    const closing = contenderOf('closing', async (): Promise<RunningContender> => {
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
      await once(server, 'listening');
      let pushes = 0;
      const pushing = setInterval(() => {
        const viewers = [...server.clients];
        for (const viewer of viewers) viewer.send(Buffer.from('push'));
        // Some time after all have come, which is when the load begins to measure.
        if (viewers.length === 5 || pushes > 0) pushes += 1;
        if (pushes === 25) viewers[0]?.close(4000);
      }, 20);
      return {
        address: opaqueAddress((server.address() as AddressInfo).port),
        pid: process.pid,
        warmUpMs: 0,
        ended: new Promise(() => {}),
        push: () => undefined,
        pause: () => undefined,
        stop: async () => {
          clearInterval(pushing);
          server.close();
        },
      };
    });
    expect(await run(QUICK, [closing])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'bench:peers: closing lost 1 viewers while it was measured (1 with close code 4000)\n',
    });
  });

  it('that cannot take part is left out with a line, unless it was asked for by name', async () => {
    const absent: Contender = { ...known('ws'), name: 'absent', prepare: async () => ({ missing: 'it is not here' }) };
    const left = await run(QUICK, [known('volley'), absent]);
    expect(left.stdout).toContain('\nabsent is left out: it is not here.\n');
    expect(left.code).toBe(0);
    const asked = await run([...QUICK, '--only', 'absent'], [known('volley'), absent]);
    expect(asked).toEqual({ code: 1, stdout: '', stderr: 'bench:peers: absent cannot take part: it is not here\n' });
  });
});

describe('the program', () => {
  it('ends with 2 and one line for an option that it does not know', async () => {
    const child = spawn(process.execPath, [compiledFile('bench/peers.js'), '--case', 'nonsense']);
    let stderr = '';
    child.stderr.on('data', (part: Buffer) => {
      stderr += part.toString();
    });
    expect(await once(child, 'close')).toEqual([2, null]);
    expect(stderr).toMatch(/^error: .*nonsense.*Allowed are small, large, spread\..*\n$/);
  });

  it('ends with 130 and leaves nothing behind on Ctrl-C', async () => {
    const argv = ['--viewers', '5', '--seconds', '60', '--warmup', '0', '--compile', '0', '--case', 'spread'];
    const temporary = mkdtempSync(join(folder, 'tmp-'));
    const env = { ...process.env, TMPDIR: temporary };
    const child = spawn(process.execPath, [compiledFile('bench/peers.js'), ...argv, '--only', 'floor'], { env });
    const find = (): number => findChild(child.pid ?? 0, 'tethered-server.js');
    await expect.poll(find, { timeout: 15_000 }).toBeGreaterThan(0);
    const server = find();
    const errors = createInterface({ input: child.stderr });
    const said = once(errors, 'line');
    child.kill('SIGINT');
    expect(await said).toEqual(['bench:peers: ended by SIGINT before all turns were done: no result']);
    expect(await once(child, 'exit')).toEqual([130, null]);
    expect(() => process.kill(server, 0)).toThrow('ESRCH');
    expect(readdirSync(temporary)).toEqual([]);
  });
});
