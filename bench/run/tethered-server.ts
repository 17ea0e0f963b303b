/**
 * The server as the bench starts it: the same program, but it ends when the bench is gone, even by SIGKILL. The bench
 * holds the other end of stdin.
 */
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume();

await import('../../src/main.ts');
