import { plain, type Scenario } from './scenario.ts';

/** Everybody in one room, or in the few that `--rooms` says. */
export const hotRoom: Scenario = {
  ...plain,
  name: 'hot-room',
  summary: 'all viewers in one room (the default)',
};
