/**
 * The crowd of `--demo`: comments that nobody wrote, so that the first look at a page is alive. It comes in through
 * the rooms' front door, as a site's backend would, and is no viewer.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../clock.ts';
import { DEFAULT_COLOR, DEFAULT_SIZE, type Draft } from '../comment.ts';
import { countRefused, type MainCounters } from '../counters.ts';
import type { Rooms } from '../rooms/rooms.ts';

/** What the crowd says and what it is called. All of it is invented. The build copies the file. */
interface CrowdLines {
  /** Said at any time. */
  readonly chatter: readonly string[];
  /** Said by many at once, each list on its own occasion. */
  readonly outbursts: readonly (readonly string[])[];
  readonly names: readonly string[];
}

export const LINES = JSON.parse(readFileSync(new URL('crowd-lines.json', import.meta.url), 'utf8')) as CrowdLines;

/** The rooms that it fills, and how many comments a second each has when nothing happens. */
export const CROWDED: readonly { readonly room: string; readonly perSecond: number }[] = [
  { room: 'demo', perSecond: 5 },
  { room: 'lakeside', perSecond: 1.2 },
  { room: 'night-train', perSecond: 0.5 },
  { room: 'kitchen-table', perSecond: 0.2 },
];

/** In an outburst that many times as much is said, for that long. */
const OUTBURST_FACTOR = 5;
const OUTBURST_MS = { least: 1_500, most: 4_000 };
/** From the end of an outburst to the next. */
const CALM_MS = { least: 9_000, most: 30_000 };
/** The swell of a calm crowd: it talks up to this share more and less, once in so many ms. */
const SWELL = { share: 0.6, ms: 47_000 };
/** No two comments of a room closer than this: a timer each is enough then. */
const SHORTEST_GAP_MS = 20;

/** What people set their comments to; most leave them as they are. */
const COLOURS = [0xffd166, 0x7bdff2, 0xff8fab, 0xb8f2a0, 0xcdb4ff, 0xffb385, 0x9be7ff] as const;
const COLOURED = 0.3;
const TOP = 0.02;
const BOTTOM = 0.02;
const LARGE = 0.06;

export interface DemoCrowdOptions {
  readonly clock: Clock;
  readonly rooms: Pick<Rooms, 'offer'>;
  readonly counters: Pick<MainCounters, 'commentsDemo' | 'refused'>;
  /** From 0 up to 1; the same numbers and times make the same crowd. */
  readonly random?: () => number;
}

/** One room's crowd between two comments. */
interface Mood {
  readonly room: string;
  readonly perSecond: number;
  /** What is shouted in the outburst that is on or comes next. */
  shouts: readonly string[];
  /** When that outburst begins and ends, by the clock's `now`. */
  begins: number;
  ends: number;
  /** Calls the next comment off. */
  cancel: () => void;
}

/** Talks from {@link start} to {@link stop}. */
export class DemoCrowd {
  readonly #options: DemoCrowdOptions;
  readonly #random: () => number;
  readonly #moods: Mood[] = [];

  constructor(options: DemoCrowdOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  start(): void {
    if (this.#moods.length > 0) return;
    for (const { room, perSecond } of CROWDED) {
      const mood: Mood = { room, perSecond, shouts: [], begins: 0, ends: 0, cancel: () => undefined };
      this.#plan(mood, this.#options.clock.now());
      this.#moods.push(mood);
      this.#next(mood, 0);
    }
  }

  stop(): void {
    for (const mood of this.#moods) mood.cancel();
    this.#moods.length = 0;
  }

  /** Sets the time of the next outburst. */
  #plan(mood: Mood, now: number): void {
    mood.shouts = this.#pick(LINES.outbursts);
    mood.begins = now + this.#between(CALM_MS);
    mood.ends = mood.begins + this.#between(OUTBURST_MS);
  }

  /** `rest`: ms that the room asked for. */
  #next(mood: Mood, rest: number): void {
    const { clock } = this.#options;
    const now = clock.now();
    if (now >= mood.ends) this.#plan(mood, now);
    const swell = 1 + SWELL.share * Math.sin((2 * Math.PI * now) / SWELL.ms);
    const rate = mood.perSecond * (this.#bursts(mood) ? OUTBURST_FACTOR : swell);
    // People do not take turns: gaps between independent comments are exponential.
    const gap = (-Math.log(1 - this.#random()) * 1_000) / rate;
    // A long gap must not sleep through the outburst.
    const untilBurst = now < mood.begins ? mood.begins - now : Number.POSITIVE_INFINITY;
    const wait = Math.ceil(Math.max(SHORTEST_GAP_MS, rest, Math.min(gap, untilBurst)));
    mood.cancel = clock.after(wait, () => this.#talk(mood));
  }

  #bursts(mood: Mood): boolean {
    const now = this.#options.clock.now();
    return now >= mood.begins && now < mood.ends;
  }

  #talk(mood: Mood): void {
    const { rooms, counters } = this.#options;
    const refusal = rooms.offer(mood.room, this.#draft(mood), null, 0);
    if (refusal === undefined) counters.commentsDemo += 1;
    else countRefused(counters, refusal.code);
    this.#next(mood, refusal?.retryAfterMs ?? 0);
  }

  #draft(mood: Mood): Draft {
    const place = this.#random();
    return {
      text: this.#pick(this.#bursts(mood) ? mood.shouts : LINES.chatter),
      mode: place < TOP ? 1 : place < TOP + BOTTOM ? 2 : 0,
      color: this.#random() < COLOURED ? this.#pick(COLOURS) : DEFAULT_COLOR,
      size: this.#random() < LARGE ? 36 : DEFAULT_SIZE,
      user: '',
      name: this.#pick(LINES.names),
      extra: '',
    };
  }

  #between({ least, most }: { readonly least: number; readonly most: number }): number {
    return least + (most - least) * this.#random();
  }

  #pick<T>(list: readonly T[]): T {
    const item = list[Math.floor(this.#random() * list.length)];
    if (item === undefined) throw new RangeError('random() must be from 0 up to 1, and the list not empty');
    return item;
  }
}
