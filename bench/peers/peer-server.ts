/** What the servers in JavaScript share: `node FILE FRAMES EVERY_MS …` sends the frames, one every so many ms. */
import { readFrames } from './frame-file.ts';

/** Bytes that may wait for a viewer before it misses pushes. */
export const MOST_WAITING = 1_048_576;

/**
 * Pushes the frames of the file that the command line names, over and over, and ends this process once its parent is
 * gone, which closes stdin.
 *
 * @param prepare makes of each frame, once, what `push` is given
 */
export function pushFrames<T>(prepare: (frame: Buffer) => T, push: (prepared: T) => void): void {
  const [path = '', every = ''] = process.argv.slice(2);
  const prepared = readFrames(path).map(prepare);
  let next = 0;
  setInterval(() => {
    push(prepared[next] as T);
    next = (next + 1) % prepared.length;
  }, Number(every));
  // Not process.exit, which aborts where uWebSockets.js has an App open.
  process.stdin.resume().on('end', () => process.kill(process.pid, 'SIGTERM'));
}

/** For servers that send the frames' own bytes. */
export function asIs(frame: Buffer): Buffer {
  return frame;
}

/** Tells the parent where this server listens. */
export function tellPort(port: number): void {
  process.stdout.write(`${port}\n`);
}
