#!/usr/bin/env node
/**
 * The command line of volley.
 *
 *   cli/serve-command.ts   volley [serve]: runs a server, and ends it in order
 *   cli/watch-command.ts   volley watch URL: a viewer in the terminal
 *   settings.ts   every setting
 *   server.ts              puts the server together; begins with a map of its folders
 */
import { Command, CommanderError } from 'commander';
import { addSettings, BAD_SETTING, readSettings } from './cli/setting-options.ts';
import { readVersion } from './cli/version.ts';
import { addWatchCommand } from './cli/watch-command.ts';

const program = new Command('volley')
  .description('Live-comment (danmaku) push server.')
  .version(readVersion())
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(describeError(text)) });
const serve = program
  .command('serve')
  .description('run the server (the default)')
  .action(async () => {
    const settings = readSettings(serve);
    // Loaded last: it takes longer than to say what is wrong with a setting.
    const { serve: run } = await import('./cli/serve-command.ts');
    await run(settings);
  });
addSettings(serve);
addWatchCommand(program);
program.addHelpText('after', () => `\n${serve.helpInformation()}`);
for (const command of program.commands) command.exitOverride().copyInheritedSettings(program);

const [first = '', ...rest] = process.argv.slice(2);
// Not commander's default command: `volley serv` would be an argument of it.
const isCommand = ['-h', '--help', '-V', '--version'].includes(first) || (first !== '' && !first.startsWith('-'));
try {
  await program.parseAsync(isCommand ? [first, ...rest] : ['serve', ...process.argv.slice(2)], { from: 'user' });
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  if (error.code.startsWith('volley.')) process.stderr.write(`volley: ${error.message}\n`);
  process.exit(error.exitCode === 0 ? 0 : BAD_SETTING);
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
