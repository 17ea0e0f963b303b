import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { readOptions } from './bench-options.ts';
import { type RunSettings, SCENARIOS } from './scenarios.ts';

function settingsOf(line: string): RunSettings {
  const options = readOptions(line.split(' ').filter(Boolean), '/here');
  if (!('settings' in options)) throw new Error(JSON.stringify(options));
  return options.settings;
}

function faultOf(line: string): string | undefined {
  const options = readOptions(line.split(' '), '/here');
  return 'fault' in options ? options.fault : undefined;
}

describe('the options', () => {
  it('all have defaults', () => {
    expect(readOptions([], '/here')).toEqual({
      settings: {
        scenario: 'hot-room',
        connections: 1_000,
        duration: 10,
        rooms: 1,
        rate: 20,
        workers: 1,
        codec: 'msgpack',
        senders: 0,
        warmup: 3,
        url: null,
        apiUrl: null,
        serverWorkers: [1],
        serverStore: 'memory',
        behind: 0,
        interval: 1_000,
        comments: expect.stringMatching(/\/bench\/comments\.xml$/),
      },
      json: false,
      progress: true,
    });
  });

  it('can all be set', () => {
    const line =
      '-c 40 -d 2.5 -r 3 -R 0.5 -w 2 --codec deflate --senders 6 --warmup 0 --interval 50 ' +
      '--server-workers 1,2 --server-workers 4 --server-store level --comments live.xml --scenario churn -j --no-progress';
    expect(readOptions(line.split(' '), '/here')).toEqual({
      settings: {
        scenario: 'churn',
        connections: 40,
        duration: 2.5,
        rooms: 3,
        rate: 0.5,
        workers: 2,
        codec: 'deflate',
        senders: 6,
        warmup: 0,
        url: null,
        apiUrl: null,
        serverWorkers: [1, 2, 4],
        serverStore: 'level',
        behind: 0,
        interval: 50,
        comments: '/here/live.xml',
      },
      json: true,
      progress: false,
    });
    const running = settingsOf('--url ws://127.0.0.1:9000/ --api-url http://127.0.0.1:9001');
    expect(running).toMatchObject({ url: 'ws://127.0.0.1:9000', apiUrl: 'http://127.0.0.1:9001' });
  });

  it.each([
    ['--bogus', "error: unknown option '--bogus'"],
    ['more', 'error: too many arguments'],
    ['-c 0', "error: option '-c, --connections <N>' argument '0' is invalid. Allowed is a whole number from 1 to"],
    ['-c 1.5', 'Allowed is a whole number'],
    ['-c', "error: option '-c, --connections <N>' argument missing"],
    ['-d 0', 'Allowed is a number from 1 to 86400 (s).'],
    ['-d long', 'Allowed is a number from 1 to 86400 (s).'],
    ['-R Infinity', 'Allowed is a number from 0.01 to 10000'],
    ['--codec xml', 'Allowed choices are json, msgpack, deflate.'],
    ['--scenario party', 'Allowed choices are hot-room, many-rooms,'],
    ['--server-workers 1,,2', 'Allowed is a whole number from 1 to 256 (threads).'],
    ['--url http://127.0.0.1:9000', 'Allowed is ws://HOST:PORT.'],
    ['--url ws://127.0.0.1:9000/rooms/x', 'Allowed is ws://HOST:PORT.'],
    ['--api-url http://me:secret@127.0.0.1:9001', 'Allowed is http://HOST:PORT.'],
    ['--api-url http://127.0.0.1:9001', '--api-url wants --url'],
    ['--url ws://127.0.0.1:9000', '--url without --api-url wants --senders 1 or more'],
    ['--url ws://h:1 --senders 1 --server-workers 2', '--server-workers is for the own server'],
    ['--url ws://h:1 --senders 1 --server-store level', '--server-store is for the own server'],
    ['--server-store redis', 'Allowed choices are memory, level.'],
    ['--behind 60', '--behind is for --scenario join-storm'],
    ['--scenario join-storm --behind -1', 'Allowed is a number from 0 to 3600 (s).'],
    ['--scenario join-storm --behind 60 -R 0.5', '--behind wants a comment in every --interval'],
    ['-c 5 --senders 6', '--senders 6 cannot be more than --connections 5'],
    ['-r 10 --senders 5', '--senders 5 must be 0 or at least --rooms 10'],
    ['--scenario workers --url ws://h:1 --senders 1', '--scenario workers: it starts servers of its own'],
    ['--scenario ingest --senders 0', '--scenario ingest: it wants --senders 1 or more'],
    ['--scenario join-storm --senders 5', '--scenario join-storm: its comments are posted over HTTP'],
    ['--scenario many-rooms -c 5 -r 10 --senders 0', '--scenario many-rooms: --connections 5 cannot be fewer'],
    ['--scenario slow-readers -c 10 --senders 10', '--scenario slow-readers: those who read nothing'],
  ])('refuse %s in one line', (line, sentence) => {
    const fault = faultOf(line);
    expect(fault).toContain(sentence);
    expect(fault).toMatch(/^error: [^\n]+\n$/);
  });

  it('are explained, with three examples at the end', () => {
    const options = readOptions(['-h'], '/here');
    const help = 'help' in options ? options.help : '';
    for (const { name, summary } of SCENARIOS) expect(help).toContain(`${name.padEnd(14)}${summary}\n`);
    const examples = help.slice(help.indexOf('Examples:\n')).trimEnd().split('\n').slice(1);
    expect(examples).toHaveLength(3);
    for (const example of examples) {
      const argv = example
        .trim()
        .replace(/^npm run (-s )?bench -- /, '')
        .replace(/ >.*/, '')
        .split(' ');
      expect(readOptions(argv, '/here')).toHaveProperty('settings');
    }
  });

  it('tell the version', () => {
    expect(readOptions(['--version'], '/here')).toEqual({ help: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});

describe('the presets of a scenario', () => {
  it('stand in for what is not given', () => {
    expect(settingsOf('--scenario ingest')).toMatchObject({ connections: 200, senders: 200, rooms: 10, interval: 20 });
    expect(settingsOf('--scenario slow-readers')).toMatchObject({ connections: 200, rate: 5_000, codec: 'json' });
    const most = Math.max(2, availableParallelism() - 1);
    expect(settingsOf('--scenario workers').serverWorkers).toEqual(Array.from({ length: most }, (_, i) => i + 1));
  });

  it('give way to what is given', () => {
    expect(settingsOf('--scenario ingest --senders 20 --interval 500')).toMatchObject({
      connections: 20,
      senders: 20,
      interval: 500,
    });
    expect(settingsOf('--scenario workers --server-workers 3').serverWorkers).toEqual([3]);
    expect(settingsOf('--scenario slow-readers --codec deflate').codec).toBe('deflate');
  });

  it('fill many rooms as far as open files allow, the first viewer of each sending', () => {
    const { rooms, connections, senders, rate } = settingsOf('--scenario many-rooms');
    expect(rooms).toBeLessThanOrEqual(10_000);
    expect(connections).toBeGreaterThanOrEqual(rooms);
    expect(connections).toBeLessThanOrEqual(2 * rooms);
    expect(senders).toBe(rooms);
    expect(rate).toBe(1);
    expect(settingsOf('--scenario many-rooms -r 30')).toMatchObject({ rooms: 30, connections: 60, senders: 30 });
    expect(settingsOf('--scenario many-rooms -c 40')).toMatchObject({ rooms: 40, connections: 40, senders: 40 });
  });
});
