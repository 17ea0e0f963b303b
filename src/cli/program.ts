import { Command, CommanderError } from 'commander';
import { readVersion } from '../compiled-file.ts';
import { addSettings, BAD_SETTING, readSettings } from './setting-options.ts';
import { addWatchCommand } from './watch-command.ts';

/** What a command writes to before it runs: help, the version, and why it cannot run. */
export interface Terminal {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Runs the command that `argv` names, without the program's own name. Returns the exit code of one that is over, and
 * undefined for one that goes on until it ends the process itself.
 */
export async function runProgram(argv: readonly string[], { stdout, stderr }: Terminal): Promise<number | undefined> {
  const program = new Command('volley')
    .description('Live-comment (danmaku) push server.')
    .version(readVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(describeError(text)),
    });
  const serve = program
    .command('serve')
    .description('run the server (the default)')
    .action(async () => {
      const settings = readSettings(serve);
      // Loaded last: it takes longer than to say what is wrong with a setting.
      const { serve: run } = await import('./serve-command.ts');
      await run(settings);
    });
  addSettings(serve);
  addWatchCommand(program);
  program.addHelpText('after', () => `\n${serve.helpInformation()}`);
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program);

  const [first = '', ...rest] = argv;
  // Not commander's default command: `volley serv` would be an argument of it.
  const isCommand = ['-h', '--help', '-V', '--version'].includes(first) || (first !== '' && !first.startsWith('-'));
  try {
    await program.parseAsync(isCommand ? [first, ...rest] : ['serve', ...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code.startsWith('volley.')) stderr.write(`volley: ${error.message}\n`);
    return error.exitCode === 0 ? 0 : BAD_SETTING;
  }
  return undefined;
}

/** One sentence on one line: commander puts what may have been meant on a second. */
function describeError(text: string): string {
  const sentence = text
    .trim()
    .replace(/^error: /, 'volley: ')
    .replace('\n', ' ');
  const isUnknown = /^volley: unknown (option|command) '[^']*'$/.test(sentence);
  return `${sentence}${isUnknown ? ' (volley --help lists what there is)' : ''}\n`;
}
