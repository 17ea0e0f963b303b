import type { ConnectOptions } from './connect-options.ts';
import { FakeSocket } from './fake-socket.fixture.ts';
import { connect } from './index.ts';
import type { RoomConnection, RoomEvents } from './room-connection.ts';

const NAMES = [
  'state',
  'welcome',
  'batch',
  'comment',
  'viewers',
  'recall',
  'gap',
  'skipped',
  'refused',
  'fault',
  'blocked',
] as const;

/** What a connection tells, in order. */
type Told = [keyof RoomEvents, unknown][];

let opened: RoomConnection[] = [];

/** A connection on fake sockets, JSON, 0.5 as every random number, nobody who answers HTTP; and all that it tells. */
export function open(options: Partial<ConnectOptions> & Pick<ConnectOptions, 'clock'>): {
  room: RoomConnection;
  told: Told;
} {
  const common = { url: 'ws://127.0.0.1:9000', room: 'demo', codec: 'json', WebSocket: FakeSocket } as const;
  const fetch = (): Promise<never> => Promise.reject(new TypeError('nobody answers'));
  const room = connect({ ...common, random: () => 0.5, fetch, ...options });
  opened.push(room);
  const told: Told = [];
  for (const name of NAMES) room.on(name, (event) => told.push([name, event]));
  return { room, told };
}

/** Closes every connection that was opened, and forgets every socket. */
export function closeAll(): void {
  for (const room of opened) room.close();
  opened = [];
  FakeSocket.made = [];
}

/** The events of one name. */
export function only<Name extends keyof RoomEvents>(told: Told, name: Name): RoomEvents[Name][] {
  return told.filter(([which]) => which === name).map(([, event]) => event as RoomEvents[Name]);
}
