import { paintLand, paintSky, type Star, scatterStars } from './scene-layers.ts';

/** The picture is painted at this size, px, and stretched: it is soft anyway, and costs the same on every screen. */
const WIDTH = 960;
const HEIGHT = 540;
/** Where the lake begins, px from the top. */
const SHORE = 372;
/** Frames a second: it moves slowly. */
const RATE = 30;

/** The northern lights are computed at this size and stretched over the sky. */
const LIGHTS = { width: 120, height: 56 } as const;

/** A curtain of light: its place and reach as parts of the sky's height, its waves, its strength. */
const CURTAINS = [
  { base: 0.62, reach: 0.5, wave: 0.16, drift: 0.11, strength: 0.95 },
  { base: 0.46, reach: 0.42, wave: 0.12, drift: -0.07, strength: 0.6 },
  { base: 0.8, reach: 0.34, wave: 0.1, drift: 0.17, strength: 0.5 },
] as const;

/** A lake under northern lights: stands in for the stream. Where less motion is wanted it is a still picture. */
export class Scene {
  readonly #context: CanvasRenderingContext2D;
  readonly #still: MediaQueryList;
  readonly #sky = layer(WIDTH, SHORE);
  readonly #land = layer(WIDTH, HEIGHT);
  /** What is above the shore. The lake is painted from it: a canvas painted onto itself is copied each time. */
  readonly #above = layer(WIDTH, SHORE);
  readonly #lights = layer(LIGHTS.width, LIGHTS.height);
  readonly #pixels: ImageData;
  readonly #stars: readonly Star[];
  readonly #tint: CanvasGradient;
  #frame = 0;
  #last = 0;

  constructor(canvas: HTMLCanvasElement, still: MediaQueryList) {
    this.#still = still;
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    this.#context = contextOf(canvas);
    this.#pixels = this.#lights.createImageData(LIGHTS.width, LIGHTS.height);
    this.#stars = scatterStars(WIDTH, SHORE);
    paintSky(this.#sky, WIDTH, SHORE, this.#stars);
    paintLand(this.#land, WIDTH, HEIGHT, SHORE);
    this.#tint = this.#context.createLinearGradient(0, SHORE, 0, HEIGHT);
    this.#tint.addColorStop(0, 'rgba(6, 18, 34, 0.25)');
    this.#tint.addColorStop(1, 'rgba(3, 9, 20, 0.82)');
  }

  /** Paints, and goes on painting while the page can be seen and motion is welcome. */
  start(): void {
    const follow = (): void => {
      cancelAnimationFrame(this.#frame);
      if (this.#still.matches) this.#paint(20_000);
      else if (!document.hidden) this.#frame = requestAnimationFrame((time) => this.#step(time));
    };
    document.addEventListener('visibilitychange', follow);
    this.#still.addEventListener('change', follow);
    follow();
  }

  #step(time: number): void {
    // A little less than a frame: those of the screen do not fall on ours to the microsecond.
    if (time - this.#last >= 1_000 / RATE - 4) {
      this.#last = time;
      this.#paint(time);
    }
    this.#frame = requestAnimationFrame((next) => this.#step(next));
  }

  #paint(time: number): void {
    const seconds = time / 1_000;
    const above = this.#above;
    above.globalCompositeOperation = 'source-over';
    above.drawImage(this.#sky.canvas, 0, 0);
    this.#twinkle(seconds);
    this.#shine(seconds);
    above.globalCompositeOperation = 'lighter';
    above.drawImage(this.#lights.canvas, 0, 0, WIDTH, SHORE);
    above.globalCompositeOperation = 'source-over';
    above.drawImage(this.#land.canvas, 0, 0, WIDTH, SHORE, 0, 0, WIDTH, SHORE);
    const context = this.#context;
    context.drawImage(above.canvas, 0, 0);
    this.#reflect(seconds);
    context.drawImage(this.#land.canvas, 0, SHORE, WIDTH, HEIGHT - SHORE, 0, SHORE, WIDTH, HEIGHT - SHORE);
  }

  #twinkle(seconds: number): void {
    const context = this.#above;
    context.fillStyle = '#fff';
    for (const { x, y, size, phase } of this.#stars) {
      if (phase < 0.7) continue;
      context.globalAlpha = 0.35 + 0.35 * Math.sin(seconds * (0.6 + phase) + phase * 40);
      context.fillRect(x, y, size + 0.6, size + 0.6);
    }
    context.globalAlpha = 1;
  }

  /** Computes the lights: bright at each curtain's lower edge, fading upwards from green to violet. */
  #shine(seconds: number): void {
    const { data } = this.#pixels;
    const { width, height } = LIGHTS;
    for (let x = 0; x < width; x += 1) {
      const edges = CURTAINS.map(({ base, wave, drift, strength, reach }, i) => {
        const along = (x / width) * 5 + i * 2.1;
        const fold = Math.sin(along + seconds * drift) + 0.5 * Math.sin(along * 2.3 - seconds * drift * 1.7);
        const rays = 0.62 + 0.38 * Math.sin(along * 7 + fold * 3 + seconds * 0.35);
        const swell = 0.65 + 0.35 * Math.sin(along * 0.8 - seconds * 0.13 + i);
        return { edge: height * (base + wave * fold), reach: height * reach, strength: strength * rays * swell };
      });
      for (let y = 0; y < height; y += 1) {
        let green = 0;
        let violet = 0;
        for (const { edge, reach, strength } of edges) {
          const above = (edge - y) / reach;
          if (above > 1.6) continue;
          const glow = above < 0 ? Math.exp(above * 14) : Math.exp(-above * 2.6);
          green += strength * glow * Math.max(0, 1 - above * 0.75);
          violet += strength * glow * Math.max(0, above * 0.9);
        }
        const at = (y * width + x) * 4;
        const fade = Math.min(1, y / 8);
        data[at] = 255 * Math.min(1, 0.16 * green + 0.62 * violet) * fade;
        data[at + 1] = 255 * Math.min(1, 0.8 * green + 0.2 * violet) * fade;
        data[at + 2] = 255 * Math.min(1, 0.48 * green + 0.75 * violet) * fade;
        data[at + 3] = 255;
      }
    }
    this.#lights.putImageData(this.#pixels, 0, 0);
  }

  /** Turns what is above the shore upside down into the lake, row by row, each a little astray. */
  #reflect(seconds: number): void {
    const context = this.#context;
    const rows = 3;
    for (let y = SHORE; y < HEIGHT; y += rows) {
      const depth = y - SHORE;
      const from = Math.max(0, SHORE - rows - depth * 1.7);
      const astray = Math.sin(depth * 0.33 - seconds * 1.1) * (0.6 + depth * 0.028);
      context.drawImage(this.#above.canvas, 0, from, WIDTH, rows, astray - 6, y, WIDTH + 12, rows);
    }
    context.fillStyle = this.#tint;
    context.fillRect(0, SHORE, WIDTH, HEIGHT - SHORE);
  }
}

function layer(width: number, height: number): CanvasRenderingContext2D {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return contextOf(canvas);
}

/** @throws Error where the browser has no canvas to paint on */
function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('this browser gives no canvas to paint on');
  return context;
}
