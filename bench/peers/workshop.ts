import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeFrames } from './frame-file.ts';
import type { PushOrder } from './peer-case.ts';
import { type FrameKind, makeFrames } from './peer-frames.ts';

/** A temporary folder with what contenders need: the frames that they send, and programs that were built for them. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'volley-peers-'));

  /** The file with the frames of a case; made the first time. */
  framesFile(kind: FrameKind, { peerCase, viewers, pushes }: PushOrder): string {
    const { name, comments, every } = peerCase;
    const path = join(this.folder, [name, kind, viewers, pushes].join('-'));
    if (!existsSync(path)) writeFrames(path, makeFrames({ kind, comments, every, viewers, count: pushes }));
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
