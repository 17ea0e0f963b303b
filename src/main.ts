#!/usr/bin/env node
/**
 * The command line of volley.
 *
 *   cli/serve-command.ts   volley [serve]: runs a server, and ends it in order
 *   cli/watch-command.ts   volley watch URL: a viewer in the terminal
 *   settings/settings.ts   every setting
 *   server.ts              puts the server together; begins with a map of its folders
 */
import { Command, CommanderError } from 'commander';
import { addServeCommand } from './cli/serve-command.ts';
import { BAD_SETTING } from './cli/setting-options.ts';
import { readVersion } from './cli/version.ts';
import { addWatchCommand } from './cli/watch-command.ts';

const program = new Command('volley')
  .description('Live-comment (danmaku) push server.')
  .version(readVersion())
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'volley: ')) });
const serve = addServeCommand(program);
addWatchCommand(program);
program.addHelpText('after', () => `\n${serve.helpInformation()}`);
for (const command of program.commands) command.exitOverride().copyInheritedSettings(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  if (error.code.startsWith('volley.')) process.stderr.write(`volley: ${error.message}\n`);
  process.exit(error.exitCode === 0 ? 0 : BAD_SETTING);
}
