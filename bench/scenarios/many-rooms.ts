import { mostConnections } from './connection-limit.ts';
import { plain, type Scenario } from './scenario.ts';

const ROOMS = 10_000;
const VIEWERS_A_ROOM = 2;

/** Very many small rooms, a comment a second in each. */
export const manyRooms: Scenario = {
  ...plain,
  name: 'many-rooms',
  summary: '10,000 rooms, 2 viewers each as far as open files allow, one of whom sends a comment a second',
  preset: (given) => {
    const most = mostConnections();
    const rooms = given.rooms ?? Math.min(ROOMS, given.connections ?? most);
    const connections = given.connections ?? Math.min(rooms * VIEWERS_A_ROOM, most);
    return { rooms, connections, rate: 1, senders: Math.min(rooms, connections) };
  },
  check: ({ rooms, connections }) =>
    connections < rooms ? `--connections ${connections} cannot be fewer than --rooms ${rooms}` : undefined,
  describe: ({ rooms, connections }) => {
    const wanted = rooms * VIEWERS_A_ROOM;
    if (connections >= wanted) return [];
    const most = mostConnections();
    const why = most < wanted ? `the open-files limit allows ${most} connections` : '--connections says so';
    return [`${connections} viewers, fewer than ${VIEWERS_A_ROOM} in each of ${rooms} rooms: ${why}`];
  },
};
