/** A failure that the user can understand: `message` is one clear sentence, and the bench ends with exit code 1. */
export class BenchError extends Error {
  override name = 'BenchError';
}
