import type { History, RoomDetail, Tick } from '../../metrics/sample.ts';

/** Without an event for so long, in ms, the server is taken for lost: it sends one a second. */
const SILENCE_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 5_000;

export type StreamState = 'connecting' | 'live' | 'lost';

export interface StreamListener {
  /** When the newest sample was made that the page has; 0 for none. */
  newestAt(): number;
  history(history: History): void;
  tick(tick: Tick): void;
  room(detail: RoomDetail): void;
  state(state: StreamState): void;
}

/**
 * The one connection of the page. Lost, it says so and comes back by itself, asking only for what is missing. There is
 * none while nobody can see the page: a browser has six for a host, and open dashboards would take them all.
 */
export class DashboardStream {
  readonly #listener: StreamListener;
  #source: EventSource | null = null;
  #room: string | null = null;
  #heardAt = 0;
  #failures = 0;
  #retry: number | undefined;

  constructor(listener: StreamListener) {
    this.#listener = listener;
    setInterval(() => {
      if (this.#source !== null && performance.now() - this.#heardAt > SILENCE_MS) this.#lose();
    }, 1_000);
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#drop();
      else if (this.#source === null) this.open(this.#room);
    });
  }

  /** Connects, or connects anew for the detail of another room; null for none. */
  open(room: string | null): void {
    this.#room = room;
    this.#drop();
    if (!document.hidden) this.#connect();
  }

  #drop(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #connect(): void {
    const query = new URLSearchParams();
    const since = this.#listener.newestAt();
    if (since > 0) query.set('since', String(since));
    if (this.#room !== null) query.set('room', this.#room);
    const source = new EventSource(`/dashboard/stream?${query}`);
    this.#source = source;
    this.#heardAt = performance.now();
    const hear = <Data>(name: string, take: (data: Data) => void): void => {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        // An event of the connection before may still be on its way.
        if (source !== this.#source) return;
        this.#heardAt = performance.now();
        this.#failures = 0;
        take(JSON.parse(event.data) as Data);
        this.#listener.state('live');
      });
    };
    hear<History>('history', (history) => this.#listener.history(history));
    hear<Tick>('tick', (tick) => this.#listener.tick(tick));
    hear<RoomDetail>('room', (detail) => this.#listener.room(detail));
    // The browser would come back too, but with the `since` of now, and never after a refusal.
    source.addEventListener('error', () => {
      if (source === this.#source) this.#lose();
    });
  }

  #lose(): void {
    this.#drop();
    this.#listener.state('lost');
    const wait = Math.min(MOST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#retry = window.setTimeout(() => this.#connect(), wait);
  }
}
