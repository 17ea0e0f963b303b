import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system in memory of a few megabytes, to be filled. */
export class Tmpfs {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Mounts one; null where this user or this sandbox may not. */
  static mount(megabytes: number): Tmpfs | null {
    const dir = mkdtempSync(join(tmpdir(), 'volley-tmpfs-'));
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', dir], {
      stdio: 'ignore',
    });
    if (status === 0) return new Tmpfs(dir);
    rmdirSync(dir);
    return null;
  }

  unmount(): void {
    execFileSync('umount', [this.dir]);
    rmdirSync(this.dir);
  }
}
