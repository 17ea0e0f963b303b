import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder that pages are relative to, and in which their commands are typed. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A command that a page shows in a block of the language `console`, and what the page says that it prints. */
export interface PageCommand {
  readonly command: string;
  readonly output: string;
}

/** What stands in a page's blocks of a language, in order. */
export function readBlocks(page: string, language: string): string[] {
  const text = readFileSync(`${ROOT}/${page}`, 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) => block);
}

/** The commands of a page: lines that begin with `$ `, with the lines that a `\` continues them on. */
export function readCommands(page: string): PageCommand[] {
  return readBlocks(page, 'console').flatMap((block) => {
    const parts = block.split(/^\$ /m).slice(1);
    return parts.map((part) => {
      const [command = ''] = /^(?:.*\\\n)*.*\n/.exec(part) ?? [];
      return { command: command.trimEnd(), output: part.slice(command.length) };
    });
  });
}

/** Takes out what differs from run to run: times, durations, and ports that are not the page's. */
export function maskTimes(text: string): string {
  return text
    .replaceAll('\r', '')
    .replaceAll(/\b1[5-9]\d{11}\b/g, 'MS')
    .replaceAll(/\b1[5-9]\d{8}\b/g, 'SECONDS')
    .replaceAll(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g, 'DATE')
    .replaceAll(/\b\d:\d\d:\d\d\.\d\d\b/g, 'TIME')
    .replaceAll(/^\[?\d\d:\d\d:\d\d(\.\d+)?\]?/gm, 'TIME')
    .replaceAll(/(<d p=")[\d.]+/g, '$1TIME')
    .replaceAll(/\b\d+\.\d+ s\b/g, 'DURATION')
    .replaceAll(/"pid":\d+/g, '"pid":PID')
    .trimEnd();
}

/**
 * Types a command into a shell and gives what it prints on stdout and stderr, once it has ended or has printed as many
 * lines as are `wanted` (for commands that never end). `places` are put in place of what the page says, in the command
 * and, the other way round, in what it prints.
 */
export function typeCommand(
  command: string,
  places: readonly (readonly [string, string])[],
  wanted: number,
): Promise<string> {
  const real = places.reduce((text, [shown, place]) => text.replaceAll(shown, place), command);
  // curl draws a bar where its output is no terminal.
  const typed = real.replace(/^curl /, 'curl -sS ');
  const shell = spawn('bash', ['-c', typed], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve) => {
    let text = '';
    const take = (part: Buffer): void => {
      text += part.toString();
      if (text.split('\n').length > wanted && /curl -sN/.test(command)) process.kill(-(shell.pid ?? 0), 'SIGTERM');
    };
    shell.stdout.on('data', take);
    shell.stderr.on('data', take);
    shell.once('close', () => resolve(places.reduce((all, [shown, place]) => all.replaceAll(place, shown), text)));
  });
}
