import { SUBPROTOCOLS } from '../../src/frames/codec.ts';
import { BenchError } from '../bench-error.ts';
import type { LoadPlan } from './load-plan.ts';

/**
 * Makes sure that a plan can be carried out.
 * @throws BenchError that says what is wrong with it
 */
export function checkPlan(plan: LoadPlan): void {
  const { connections, threads, senders, deaf, churn, sampleEvery, paths, sending, comments } = plan;
  requireThat(Number.isInteger(connections) && connections > 0, 'a load needs one connection or more');
  requireThat(Number.isInteger(threads) && threads > 0, 'a load needs one thread or more');
  requireThat(
    plan.atOnce === undefined || (Number.isInteger(plan.atOnce) && plan.atOnce > 0),
    'a thread has one handshake or more under way at once',
  );
  requireThat(paths.length > 0, 'a load needs one path or more');
  requireThat(Number.isInteger(sampleEvery) && sampleEvery > 0, 'sampleEvery is a whole number, 1 or more');
  requireThat(churn >= 0 && churn <= 1, 'churn is a share, 0 to 1');
  requireThat(
    senders + deaf <= connections,
    `${senders} senders and ${deaf} slow readers are more than ${connections}`,
  );
  if (plan.protocol === 'volley') {
    const isKnown = plan.subprotocol === '' || SUBPROTOCOLS.some((name) => name === plan.subprotocol);
    requireThat(isKnown, `${plan.subprotocol} is none of volley's subprotocols: ${SUBPROTOCOLS.join(', ')}`);
  } else {
    requireThat(threads === 1, 'the pushes of a server that is not volley can be told apart on one load thread only');
    requireThat(senders === 0, 'only volley is sent comments over WebSocket');
  }
  if (senders === 0) return;
  requireThat(comments.length > 0, 'senders need comments to send');
  requireThat(sending.kind !== 'paced' || sending.rate > 0, 'the rate of a sender must be above 0');
  requireThat(sending.kind !== 'flood' || sending.window > 0, 'the window of a sender must be above 0');
}

function requireThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new BenchError(otherwise);
}
