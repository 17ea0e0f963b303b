import { plain, type Scenario } from './scenario.ts';

const SHARE = 0.05;

/** A twentieth of the viewers leaves and comes back each second. */
export const churn: Scenario = {
  ...plain,
  name: 'churn',
  summary: '5 % of the viewers leave and come back each second',
  describe: () => ['the CPU of server and load generator has the leaving and joining in it'],
  shape: (settings) => ({ ...plain.shape(settings), churn: SHARE, joins: true }),
};
