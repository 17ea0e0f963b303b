import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compareReadings, readCpuSeconds, readMemory, readMetrics, type ServerReading } from './server-stats.ts';

const PAGE = `# HELP volley_refused_total Comments refused, by code.
# TYPE volley_refused_total counter
volley_refused_total{code="BUSY"} 3
volley_refused_total{code="ROOM_BUSY"} 4

volley_drops_total{shard="0",reason="skipped"} 1
volley_drops_total{shard="1",reason="skipped"} 2
volley_drops_total{shard="1",reason="slow_close"} 5
volley_thread_cpu_seconds_total{thread="main"} 1.5e-3
process_cpu_seconds_total 12.25
process_resident_memory_bytes 8.5e7 1764000000000
nothing_yet NaN
`;

describe('a page of metrics', () => {
  const page = readMetrics(PAGE);

  it('gives the value of a metric without labels, with or without a time', () => {
    expect(page.sum('process_cpu_seconds_total')).toBe(12.25);
    expect(page.sum('process_resident_memory_bytes')).toBe(8.5e7);
  });

  it('sums over labels, or over those with one', () => {
    expect(page.sum('volley_refused_total')).toBe(7);
    expect(page.sum('volley_drops_total', 'reason', 'skipped')).toBe(3);
    expect(page.sum('volley_drops_total', 'shard', '1')).toBe(7);
  });

  it('lists values by a label', () => {
    expect(page.by('volley_refused_total', 'code')).toEqual(
      new Map([
        ['BUSY', 3],
        ['ROOM_BUSY', 4],
      ]),
    );
    expect(page.by('volley_drops_total', 'reason').get('skipped')).toBe(3);
    expect(page.by('process_cpu_seconds_total', 'code').size).toBe(0);
  });

  it('tells what is there from what is not', () => {
    expect(page.sum('volley_refused')).toBe(0);
    expect(page.sum('nothing_yet')).toBeNaN();
  });

  it('takes what is no such page for an empty one', () => {
    const page = readMetrics('<html>\n<p class="x">502 Bad Gateway</p>');
    expect(page.sum('<html>')).toBe(0);
    expect(page.by('<p', 'class').size).toBe(0);
  });
});

const FROM: ServerReading = {
  at: 1_000,
  processCpu: 10,
  mainCpu: 2,
  shardCpu: [3, 4],
  memory: 80e6,
  refused: new Map([['BUSY', 5]]),
  counts: { accepted: 100, dropped: 1, skipped: 1, slowCloses: 1, shardRestarts: 0 },
};

const TO: ServerReading = {
  ...FROM,
  at: 5_000,
  processCpu: 16,
  mainCpu: 3,
  shardCpu: [5, 6],
  refused: new Map([
    ['BUSY', 5],
    ['ROOM_BUSY', 9],
  ]),
  counts: { accepted: 300, dropped: 1, skipped: 4, slowCloses: 3, shardRestarts: 0 },
};

describe('two readings of a server', () => {
  it('give what it used in between, by thread', () => {
    expect(compareReadings(FROM, TO)).toEqual({
      seconds: 4,
      cpuCores: 1.5,
      mainThreadCores: 0.25,
      shardCores: [0.5, 0.5],
      otherThreadsCores: 0.25,
      accepted: 200,
      refused: new Map([['ROOM_BUSY', 9]]),
      dropped: 0,
      skipped: 3,
      slowCloses: 2,
      shardRestarts: 0,
    });
  });

  it('never give less than nothing for the other threads', () => {
    expect(compareReadings(FROM, { ...TO, processCpu: 14.9 }).otherThreadsCores).toBe(0);
  });
});

describe('what Linux tells of a process', () => {
  it('is its CPU so far, user and system', async () => {
    // Another process, none of whose threads is gone: their time is not in it.
    const script = `
      const tell = () => {
        const { user, system } = process.cpuUsage();
        console.log((user + system) / 1e6);
      };
      while (process.cpuUsage().user < 300_000);
      tell();
      process.stdin.once('data', tell);`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout });
    const [before] = await once(lines, 'line');
    const told = readCpuSeconds(child.pid ?? 0);
    child.stdin.write('again');
    const [after] = await once(lines, 'line');
    expect(told).toBeGreaterThan(Number(before) - 0.02);
    expect(told).toBeLessThanOrEqual(Number(after) + 0.02);
  });

  it('is its memory, in bytes', () => {
    const told = readMemory(process.pid);
    expect(told / process.memoryUsage.rss()).toBeGreaterThan(0.8);
    expect(told / process.memoryUsage.rss()).toBeLessThan(1.2);
  });
});
