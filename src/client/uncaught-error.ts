/** Throws `error` from a turn of its own: it is uncaught, as in any event listener, and stops nothing here. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
