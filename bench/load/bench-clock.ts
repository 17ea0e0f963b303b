/** Milliseconds, fractional and monotonic; the same clock in all threads of the process and all processes of the host. */
export function benchNow(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
