import { afterEach, describe, expect, it, vi } from 'vitest';
import { readVersion } from '../compiled-file.ts';
import { envName, SETTING_GROUPS, SETTINGS } from '../settings.ts';
import { runProgram } from './program.ts';

const ANY_PORTS = ['--port', '0', '--api-port', '0'];

interface Ended {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the command says in this process, where it is over before anything runs. */
async function say(...argv: string[]): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  const code = await runProgram(argv, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { code, stdout, stderr };
}

/** What a command that cannot run answers: code 2, one sentence, nothing else. */
function refusal(sentence: string): Ended {
  return { code: 2, stdout: '', stderr: `volley: ${sentence}\n` };
}

/** Help and text without the line breaks that the width of a terminal makes. */
function unwrapped(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

describe('volley --help', () => {
  it.each([[['--help']], [['serve', '--help']], [['help', 'serve']]])('%j lists every setting', async (args) => {
    const { code, stdout, stderr } = await say(...args);
    const help = unwrapped(stdout);
    for (const setting of SETTINGS) {
      const shown = setting.fallbackText ?? String(setting.fallback);
      const isSwitch = typeof setting.fallback === 'boolean';
      const value = isSwitch ? `[${setting.unit}]` : `<${setting.unit}>`;
      const preset = isSwitch ? ', preset: "true"' : '';
      expect(help).toContain(
        `--${setting.flag} ${value} ${setting.text} (default: ${shown}${preset}, env: ${envName(setting)})`,
      );
    }
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('groups the settings, the dozen that one needs first', async () => {
    const { stdout } = await say('--help');
    const titles = [...stdout.matchAll(/^(\S.*):$/gm)].map(([, title]) => title);
    const groups = SETTING_GROUPS.map(({ title }) => title);
    expect(titles.filter((title) => groups.includes(title ?? ''))).toEqual(groups);
    const [first] = SETTING_GROUPS;
    expect(first?.names).toHaveLength(12);
    const section = stdout.slice(stdout.indexOf('First settings:'), stdout.indexOf('Pushes:'));
    expect(section.match(/^ {2}--/gm)).toHaveLength(12);
  });

  it('names the commands', async () => {
    const { stdout } = await say('-h');
    expect(stdout).toMatch(/^ {2}serve \[options\]/m);
    expect(stdout).toMatch(/^ {2}watch \[options\] <url>/m);
  });
});

describe('volley --version', () => {
  it.each([[['-V']], [['serve', '--version']]])('%j prints the version', async (args) => {
    expect(await say(...args)).toEqual({ code: 0, stdout: `${readVersion()}\n`, stderr: '' });
  });
});

describe('a setting that cannot be', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('given by a flag ends the command with one sentence', async () => {
    const sentence = '--port (VOLLEY_PORT) cannot be "70000": allowed is a whole number from 0 to 65535 (port)';
    expect(await say('serve', '--port=70000')).toEqual(refusal(sentence));
  });

  it('given by the environment ends the command with one sentence', async () => {
    vi.stubEnv('VOLLEY_WORKERS', 'many');
    const sentence = '--workers (VOLLEY_WORKERS) cannot be "many": allowed is a whole number from 1 to 256 (threads)';
    expect(await say(...ANY_PORTS)).toEqual(refusal(sentence));
  });

  it('is a flag that nobody knows', async () => {
    expect(await say('--bogus-flag', '1')).toEqual(
      refusal("unknown option '--bogus-flag' (volley --help lists what there is)"),
    );
  });

  it('is a flag that is mistyped', async () => {
    expect(await say('--prot', '1')).toEqual(refusal("unknown option '--prot' (Did you mean --port?)"));
  });

  it('is a command that nobody knows', async () => {
    expect(await say('serv')).toEqual(refusal("unknown command 'serv' (Did you mean serve?)"));
    expect(await say('begin')).toEqual(refusal("unknown command 'begin' (volley --help lists what there is)"));
  });
});

describe('volley watch ends with', () => {
  it.each([
    ['http://127.0.0.1:9000/rooms/a', 'the URL cannot be "http://127.0.0.1:9000/rooms/a"'],
    ['rooms/a', 'the URL cannot be "rooms/a"'],
    ['ws://', 'the URL cannot be "ws://"'],
    ['ws://127.0.0.1:9000/rooms/a#b', 'the URL cannot be "ws://127.0.0.1:9000/rooms/a#b"'],
    ['ws://127.0.0.1:9000', 'the URL cannot be "ws://127.0.0.1:9000"'],
    ['ws://127.0.0.1:9000/rooms/', 'the URL cannot be "ws://127.0.0.1:9000/rooms/"'],
  ])('2 for the URL %s', async (url, sentence) => {
    expect(await say('watch', url)).toEqual({
      code: 2,
      stdout: '',
      stderr: `volley: ${sentence}: allowed is ws://HOST:PORT/rooms/ROOM\n`,
    });
  });

  it.each([
    [['--codec', 'xml'], /^volley: option '--codec <codec>' argument 'xml' is invalid\. Allowed choices are [^\n]+\n$/],
    [['--since', '-1'], /^volley: --since cannot be "-1": allowed is a whole number\n$/],
    [['--history', 'all'], /^volley: --history cannot be "all": allowed is a whole number\n$/],
    [['--bogus'], /^volley: unknown option '--bogus' \(volley --help lists what there is\)\n$/],
  ])('2 for %j', async (args, stderr) => {
    const ended = await say('watch', 'ws://127.0.0.1:1/rooms/a', ...args);
    expect(ended).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) });
  });

  it.each([
    ['/rooms/a%20b', /^volley: room cannot be "a b": a name has 1 to 64 letters [^\n]+\n$/],
    ['/rooms/%FF', /^volley: room cannot be "%FF": a name has 1 to 64 letters [^\n]+\n$/],
    ['/rooms/a?since=x', /^volley: since cannot be "x": allowed is a whole number\n$/],
  ])('2 for %s', async (path, stderr) => {
    const ended = await say('watch', `ws://127.0.0.1:1${path}`);
    expect(ended).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) });
  });

  it('2 without a URL', async () => {
    expect(await say('watch')).toEqual({ code: 2, stdout: '', stderr: "volley: missing required argument 'url'\n" });
  });
});
