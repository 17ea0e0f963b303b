#!/usr/bin/env node
/**
 * The command line of volley.
 *
 *   cli/program.ts         the commands, and what they say before one runs
 *   cli/serve-command.ts   volley [serve]: runs a server, and ends it in order
 *   cli/watch-command.ts   volley watch URL: its options; cli/terminal-viewer.ts is the viewer
 *   settings.ts            every setting
 *   server.ts              puts the server together; begins with a map of its folders
 */
import { runProgram } from './cli/program.ts';

const code = await runProgram(process.argv.slice(2), process);
if (code !== undefined) process.exit(code);
