import { ChildServer } from '../run/server.ts';
import { CASES, makeWorkshop } from './cases.ts';
import { CONTENDERS, withDeathSignal } from './contenders.ts';

/**
 * `node contender-parent.fixture.js NAME…`: starts the contenders, prints their process ids in one line of JSON, and
 * waits for SIGKILL, or for SIGTERM, at which it ends without another thought. NAME may be a contender's, or that of a
 * program which does not look at its stdin: `heir` is told by Linux of its parent's end, and `stranger` is not.
 */

const DEAF: [string, readonly string[]] = ['sh', ['-c', 'echo 1; exec sleep 60']];
const workshop = makeWorkshop();

async function start(name: string): Promise<number> {
  if (name === 'heir') return startDeaf(name, await withDeathSignal(...DEAF));
  if (name === 'stranger') return startDeaf(name, DEAF);
  const contender = CONTENDERS.find((candidate) => candidate.name === name);
  if (contender === undefined) throw new Error(`no contender ${name}`);
  await contender.prepare(workshop);
  const order = { peerCase: CASES.small, viewers: 1, pushes: 2, workshop, warmUpMs: 0 };
  return (await contender.start(order)).pid;
}

async function startDeaf(name: string, [file, args]: readonly [string, readonly string[]]): Promise<number> {
  const server = new ChildServer(name, file, args);
  await server.findPort();
  return server.pid;
}

process.on('SIGTERM', () => process.exit(1));
process.stdout.write(`${JSON.stringify(await Promise.all(process.argv.slice(2).map(start)))}\n`);
