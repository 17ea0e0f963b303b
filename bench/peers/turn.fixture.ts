import type { TurnFigures } from './duel.ts';

/** Figures of a turn in which nothing was odd, but for what is given. */
export function turnOf(figures: Partial<TurnFigures>): TurnFigures {
  return {
    frames: 80_000,
    bytesPerFrame: 1_000,
    framesPerSecond: 40_000,
    delivered: 1,
    cpu: 8,
    spread: null,
    loadCpu: 0.3,
    lost: 0,
    ...figures,
  };
}
