import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { BenchError } from '../bench-error.ts';

/** Where a load goes. Plain data. */
export interface Target {
  /** As given, for messages. */
  readonly url: string;
  readonly port: number;
  /** The host's address; looked up once, not for every connection. */
  readonly address: string;
  /** Value of the Host header. */
  readonly host: string;
}

/**
 * Reads `ws://HOST:PORT` and looks the host up.
 * @throws BenchError for another kind of address, or a host that nobody knows
 */
export async function resolveTarget(url: string): Promise<Target> {
  if (!URL.canParse(url)) throw new BenchError(`${url} is not an address like ws://127.0.0.1:9000`);
  const { protocol, hostname, host, port } = new URL(url);
  if (protocol !== 'ws:') throw new BenchError(`${url} is not a ws:// address, and the bench speaks nothing else`);
  const name = hostname.replace(/^\[|\]$/g, '');
  const target = { url, port: port === '' ? 80 : Number(port), host };
  const addresses = await lookup(name, { all: true }).catch((cause: Error) => {
    throw new BenchError(`the host ${name} of ${url} cannot be found: ${cause.message}`, { cause });
  });
  const [first, ...others] = addresses.map(({ address }) => address);
  if (first === undefined) throw new BenchError(`the host ${name} of ${url} has no address`);
  for (const address of others.length > 0 ? [first, ...others] : []) {
    if (await isOpen(address, target.port)) return { ...target, address };
  }
  return { ...target, address: first };
}

/** Whether something listens there. */
function isOpen(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 2_000 });
    const answer = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => answer(true));
    socket.once('timeout', () => answer(false));
    socket.once('error', () => answer(false));
  });
}

/** Connections from one loopback address before the next is used: below Linux' range of local ports. */
const PER_ADDRESS = 20_000;

/** The source address of connection `index`; undefined leaves it to the system. */
export function sourceAddress(target: Target, index: number, connections: number): string | undefined {
  if (connections <= PER_ADDRESS || !target.address.startsWith('127.')) return undefined;
  return `127.0.0.${1 + Math.floor(index / PER_ADDRESS)}`;
}
