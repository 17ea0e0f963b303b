/** Is told how far a run is; a bar in the terminal, or nothing. */
export interface RunProgress {
  /** A phase of `total` steps begins: {@link advance} tells which are done. */
  count(name: string, total: number): void;
  advance(done: number): void;
  /** A phase begins that lasts so many seconds. */
  wait(name: string, seconds: number): void;
  /** A few words on what was just seen. */
  note(words: string): void;
}
