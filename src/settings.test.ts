import { describe, expect, it } from 'vitest';
import { envName, SETTINGS, type Setting, type SettingName } from './settings.ts';

function settingOf(name: SettingName): Setting {
  const setting = SETTINGS.find((candidate) => candidate.name === name);
  if (setting === undefined) throw new Error(`no setting ${name}`);
  return setting;
}

/** What `text` is read as; what is allowed instead where it is refused. */
function read(name: SettingName, text: string): unknown {
  const checked = settingOf(name).check(text);
  return 'value' in checked ? checked.value : `allowed: ${checked.allowed}`;
}

/** Settings that are a number, with what the help says of their bounds. */
const NUMBERS: readonly [name: SettingName, unit: string, fallback: number, least: number, most: number][] = [
  ['port', 'port', 9_000, 0, 65_535],
  ['apiPort', 'port', 9_001, 0, 65_535],
  ['interval', 'ms', 1_000, 10, 60_000],
  ['heartbeat', 'ms', 15_000, 1_000, 3_600_000],
  ['maxBatch', 'comments', 1_000, 1, 10_000],
  ['maxPending', 'comments', 5_000, 1, 1_000_000],
  ['maxPendingAll', 'comments', 200_000, 1, 10_000_000],
  ['maxText', 'code points', 200, 1, 2_000],
  ['maxHeaders', 'bytes', 16_384, 4_096, 65_536],
  ['maxMessage', 'bytes', 4_096, 64, 65_536],
  ['maxBody', 'bytes', 1_048_576, 1_024, 67_108_864],
  ['apiConnections', 'connections', 1_024, 16, 65_536],
  ['maxBackpressure', 'bytes', 65_536, 4_096, 16_777_216],
  ['maxBackfill', 'comments', 10_000, 0, 10_000_000],
  ['catchUpBytes', 'bytes', 67_108_864, 1_048_576, 68_719_476_736],
  ['slowClose', 'ms', 30_000, 100, 3_600_000],
  ['idleTimeout', 's', 60, 8, 960],
  ['shardStall', 'ms', 5_000, 500, 600_000],
  ['grace', 'ms', 10_000, 1_500, 600_000],
  ['ringSize', 'bytes', 16_777_216, 65_536, 536_870_912],
  ['retainAge', 's', 2_592_000, 0, 3_153_600_000],
  ['retainBytes', 'bytes', 17_179_869_184, 0, 17_592_186_044_416],
  ['memoryComments', 'comments', 10_000, 1, 10_000_000],
  ['memoryAge', 's', 3_600, 1, 604_800],
  ['memoryBytes', 'bytes', 268_435_456, 1_048_576, 68_719_476_736],
];

describe('every setting', () => {
  it('has a flag and an environment variable of its own, a unit and a description', () => {
    for (const key of ['name', 'flag'] as const) {
      expect(new Set(SETTINGS.map((setting) => setting[key])).size).toBe(SETTINGS.length);
    }
    for (const setting of SETTINGS) {
      expect(setting.flag).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(envName(setting)).toMatch(/^VOLLEY_[A-Z]+(_[A-Z]+)*$/);
      // commander names options in camel case after their flags, and the settings are read by that name.
      expect(setting.flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())).toBe(setting.name);
      expect(setting.unit).not.toBe('');
      expect(setting.text.length).toBeGreaterThan(10);
    }
    expect(envName(settingOf('maxPendingAll'))).toBe('VOLLEY_MAX_PENDING_ALL');
    expect(envName(settingOf('port'))).toBe('VOLLEY_PORT');
  });

  it.each(SETTINGS.map((setting) => [setting.name, setting] as const))('%s takes its own default', (_, setting) => {
    const text = Array.isArray(setting.fallback) ? setting.fallback.join(',') : String(setting.fallback);
    expect(setting.check(text)).toEqual({ value: setting.fallback });
  });
});

describe.each(NUMBERS)('%s, in %s', (name, unit, fallback, least, most) => {
  it(`is ${fallback} where it is not given`, () => {
    expect(settingOf(name)).toMatchObject({ fallback, unit });
  });

  it(`is a whole number from ${least} to ${most}`, () => {
    expect(read(name, String(least))).toBe(least);
    expect(read(name, String(most))).toBe(most);
    expect(settingOf(name).text).toContain(`(${least} to ${most})`);
  });

  it('is refused beyond its bounds and for anything else, with what is allowed', () => {
    const bad = [
      String(least - 1),
      String(most + 1),
      '',
      ' ',
      'x',
      '1.5',
      '1e3',
      '-5',
      '+5',
      '0x10',
      ' 100',
      '100 ',
      '1_000',
      'NaN',
    ];
    for (const text of [...bad, '9'.repeat(16), '9'.repeat(400)]) {
      expect(read(name, text), text).toBe(`allowed: a whole number from ${least} to ${most} (${unit})`);
    }
  });
});

describe('the other settings', () => {
  it('are all here: none has bounds that no test knows', () => {
    const known = [
      ...NUMBERS.map(([name]) => name),
      'host',
      'workers',
      'store',
      'durability',
      'publicUrl',
      'corsOrigins',
      'demo',
      'viewerNames',
      'logLevel',
    ];
    expect(SETTINGS.map(({ name }) => name).sort()).toEqual(known.sort());
  });

  it('workers: from 1 to 256, by default one less than the machine runs in parallel', () => {
    expect([read('workers', '1'), read('workers', '256')]).toEqual([1, 256]);
    for (const text of ['0', '257', 'many']) {
      expect(read('workers', text)).toBe('allowed: a whole number from 1 to 256 (threads)');
    }
    expect(settingOf('workers').fallback).toBeGreaterThanOrEqual(1);
    expect(settingOf('workers').fallbackText).toContain('at least 1');
  });

  it('host: an address or a name, nothing that is neither', () => {
    for (const host of ['127.0.0.1', '0.0.0.0', '::', '::1', 'fe80::1', 'localhost', 'my-host.example']) {
      expect(read('host', host)).toBe(host);
    }
    for (const host of ['', ' ', 'a b', 'http://x', '[::1]', 'x/y', 'x;y', 'häuser']) {
      expect(read('host', host)).toBe('allowed: an IP address or a host name of this machine');
    }
  });

  it('store: memory, or level and a directory, which is what it is by default', () => {
    expect(settingOf('store').fallback).toBe('level:./data');
    for (const store of ['memory', 'level:./data', 'level:/var/lib/volley', 'level:a b:c', 'level:数据']) {
      expect(read('store', store)).toBe(store);
    }
    for (const store of ['level', 'level:', 'Memory', '', 'memory ', 'level:a\nb', 'level:a\0b', 'nats:x']) {
      expect(read('store', store), store).toBe('allowed: memory, or level: and a directory');
    }
  });

  it('durability: relaxed or sync', () => {
    expect([read('durability', 'relaxed'), read('durability', 'sync')]).toEqual(['relaxed', 'sync']);
    for (const level of ['', 'Sync', 'full']) expect(read('durability', level)).toBe('allowed: relaxed or sync');
  });

  it('public URL: ws:// or wss://, without the slash that the path brings', () => {
    expect(read('publicUrl', 'wss://live.example.org')).toBe('wss://live.example.org');
    expect(read('publicUrl', 'ws://10.0.0.1:8080/')).toBe('ws://10.0.0.1:8080');
    expect(read('publicUrl', 'wss://example.org/live///')).toBe('wss://example.org/live');
    for (const url of [
      'https://example.org',
      'example.org',
      'ws://',
      '//example.org',
      'ws:example.org',
      ' ws://example.org',
    ]) {
      expect(read('publicUrl', url), url).toBe('allowed: a URL that begins with ws:// or wss://');
    }
  });

  it('CORS origins: as browsers send them, comma-separated, or *', () => {
    expect(read('corsOrigins', '*')).toEqual(['*']);
    expect(read('corsOrigins', 'https://example.org')).toEqual(['https://example.org']);
    expect(read('corsOrigins', 'https://a.example, http://localhost:3000')).toEqual([
      'https://a.example',
      'http://localhost:3000',
    ]);
    for (const origins of [
      'example.org',
      'https://example.org/',
      'https://example.org/page',
      'https://a.example,,',
      'https://EXAMPLE.org',
      'null',
      '**',
    ]) {
      expect(read('corsOrigins', origins), origins).toBe(
        'allowed: origins like https://example.org, comma-separated, or *',
      );
    }
  });

  it('log level: one that pino knows', () => {
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
      expect(read('logLevel', level)).toBe(level);
    for (const level of ['', 'INFO', 'silent', 'verbose']) {
      expect(read('logLevel', level)).toBe('allowed: trace, debug, info, warn, error, fatal');
    }
  });
});
