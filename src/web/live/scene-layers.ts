/** The parts of the scene that stand still; they are painted once. */
import { seeded } from '../../seeded.ts';

export interface Star {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  /** From 0 to 1; how it twinkles. */
  readonly phase: number;
}

const STARS = 260;

/** From far to near: foot and height of a ridge as parts of the picture's height, and its colours, top to bottom. */
const RIDGES = [
  { foot: 0.69, height: 0.27, rough: 0.9, colours: ['#1d3352', '#16304a'], seed: 3 },
  { foot: 0.69, height: 0.17, rough: 1.5, colours: ['#12253f', '#0e2036'], seed: 11 },
  { foot: 0.69, height: 0.085, rough: 2.6, colours: ['#0b1a2e', '#081425'], seed: 29 },
] as const;

/** The same stars each time. */
export function scatterStars(width: number, height: number): readonly Star[] {
  const random = seeded(7);
  return Array.from({ length: STARS }, () => ({
    x: random() * width,
    y: random() ** 1.4 * height,
    size: 0.5 + random() ** 3 * 1.5,
    phase: random(),
  }));
}

export function paintSky(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  stars: readonly Star[],
): void {
  const sky = context.createLinearGradient(0, 0, 0, height);
  sky.addColorStop(0, '#050b1c');
  sky.addColorStop(0.55, '#0b1e3b');
  sky.addColorStop(1, '#1c3f5c');
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  context.fillStyle = '#dfe9ff';
  for (const { x, y, size, phase } of stars) {
    context.globalAlpha = 0.25 + 0.6 * phase;
    context.fillRect(x, y, size, size);
  }
  context.globalAlpha = 1;
}

/** Mountains above the shore, at `shore` px from the top; firs on the near bank, which stand in front of the lake. */
export function paintLand(context: CanvasRenderingContext2D, width: number, height: number, shore: number): void {
  for (const { foot, height: most, rough, colours, seed } of RIDGES) {
    const top = height * (foot - most);
    const fill = context.createLinearGradient(0, top, 0, shore);
    fill.addColorStop(0, colours[0]);
    fill.addColorStop(1, colours[1]);
    context.fillStyle = fill;
    context.beginPath();
    context.moveTo(0, shore);
    for (let x = 0; x <= width; x += 3) context.lineTo(x, shore - most * height * ridgeAt((x / width) * rough, seed));
    context.lineTo(width, shore);
    context.fill();
  }
  paintFirs(context, width, height);
}

/** The height of a ridge at `x`, from 0.1 to 1: a few waves, and smaller ones on them. */
function ridgeAt(x: number, seed: number): number {
  let sum = 0;
  let most = 0;
  for (let octave = 0; octave < 6; octave += 1) {
    const weight = 0.55 ** octave;
    const wave = Math.sin(x * 2.1 * 1.9 ** octave + seed * (octave + 1) * 1.37);
    // Folded waves have crests, as mountains do.
    sum += weight * (octave % 2 === 0 ? 1 - Math.abs(wave) : 0.5 + wave / 2);
    most += weight;
  }
  return 0.1 + (0.9 * sum) / most;
}

function paintFirs(context: CanvasRenderingContext2D, width: number, height: number): void {
  const random = seeded(19);
  context.fillStyle = '#030812';
  for (let x = -10; x < width + 10; x += 5 + random() * 9) {
    // High at both sides, low in the middle: the view stays open.
    const side = Math.abs(x / width - 0.5) * 2;
    const tall = height * (0.015 + 0.2 * side ** 3.2) * (0.55 + 0.65 * random());
    const foot = height + 2;
    const spread = Math.max(3, tall * 0.2);
    for (let tier = 0; tier < 4; tier += 1) {
      const from = foot - tall * (1 - tier * 0.2);
      const wide = spread * (0.4 + tier * 0.22);
      context.beginPath();
      context.moveTo(x, from);
      context.lineTo(x + wide, from + tall * 0.42);
      context.lineTo(x - wide, from + tall * 0.42);
      context.fill();
    }
    context.fillRect(x - 1, foot - tall * 0.3, 2, tall * 0.3);
  }
  context.fillRect(0, height - 4, width, 4);
}
