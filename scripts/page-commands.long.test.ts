import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServerProcess, startProcess } from '../src/server-process.fixture.ts';
import { maskTimes, readBlocks, readCommands, typeCommand } from './page-commands.fixture.ts';

let server: ServerProcess;
let places: [string, string][];

beforeAll(async () => {
  server = await startProcess(['--workers', '1']);
  places = [
    ['127.0.0.1:9000', new URL(server.viewerUrl).host],
    ['127.0.0.1:9001', new URL(server.apiUrl).host],
  ];
});

afterAll(async () => {
  expect(await server.stop()).toBe(0);
});

/** The pages whose commands run here. */
const PAGES = ['README.md', 'docs/bench.md'];

/** What is typed in place of the pages' loads and durations, which would take a quarter of an hour. */
function lighten(command: string): string {
  return command
    .replace(/ -c \d+/, ' -c 200')
    .replace(/ -d \d+/, '')
    .replace(/ --turns \d+$/, ' --turns 2 --viewers 1000')
    .replace(/ > \S+\.json$/, '')
    .replace(/^(npm run (-s )?bench -- .*)$/, '$1 -d 2 --warmup 1')
    .replace(/measure -- pruning$/, 'measure -- pruning --batches 5000 --rooms 5 --seconds 1');
}

/** What each line is about: its words before the first number or gap. Notes come and go with the figures. */
function readLabels(text: string): string[] {
  const lines = text
    .split('\n')
    .filter((line) => /^[ │]?\s?[a-z]/i.test(line) && !/^(note|warning|AMD|Intel|[A-Z])/.test(line));
  return lines.map(
    (line) =>
      line
        .replace(/^[│ ]+/, '')
        .split(/ {2,}|\d|–|│/)[0]
        ?.trim() ?? '',
  );
}

const MEASURING = /^npm run (-s )?(bench|measure)/;

describe('the pages’', () => {
  it('replay says what README says', async () => {
    const { command = '', output } = readCommands('README.md').find(({ command }) => command.includes('replay')) ?? {};
    const printed = await typeCommand(command.replace('npm run', 'npm run -s'), places, Number.POSITIVE_INFINITY);
    expect(maskTimes(printed)).toBe(maskTimes(output ?? ''));
  });

  it.each(PAGES.flatMap(readCommands).filter(({ command }) => MEASURING.test(command)))(
    '$command prints the lines that its page shows',
    async ({ command, output }) => {
      const typed = lighten(command).replace('npm run ', 'npm run -s ');
      const labels = readLabels(await typeCommand(typed, [], Number.POSITIVE_INFINITY));
      expect([...new Set(labels)]).toEqual([...new Set(readLabels(output))]);
    },
  );

  it.each(
    PAGES.flatMap((page) => readBlocks(page, 'sh'))
      .flatMap((block) => block.split('\n'))
      .filter((line) => MEASURING.test(line)),
  )('%s measures something', async (command) => {
    const printed = await typeCommand(
      lighten(command).replace('npm run bench', 'npm run -s bench'),
      places,
      Number.POSITIVE_INFINITY,
    );
    if (command.includes('--json')) expect(JSON.parse(printed)).toMatchObject({ tool: 'volley bench' });
    else expect(printed).toMatch(/^ a delivered frame +[1-9]/m);
  });
});
