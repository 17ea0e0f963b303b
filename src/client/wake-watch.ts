import type { Clock } from '../clock.ts';

/** How often the clocks are looked at, ms. */
const TICK_MS = 2_000;

/** A shorter standstill hurts no link, ms. */
export const STANDSTILL_MS = 5_000;

/**
 * Notices that this machine has slept. Meanwhile timers stand still, and on most systems the monotonic clock too, so a
 * link that died in its sleep would count as live for as long as if nothing had happened. The wall clock tells.
 */
export class WakeWatch {
  readonly #clock: Clock;
  readonly #onWake: () => void;
  #now: number;
  #unix: number;
  #cancel: () => void;

  /** @param onWake is called within 2 s of waking up. Somebody who sets the wall clock forward looks the same. */
  constructor(clock: Clock, onWake: () => void) {
    this.#clock = clock;
    this.#onWake = onWake;
    this.#now = clock.now();
    this.#unix = clock.unix();
    this.#cancel = clock.after(TICK_MS, () => this.#tick());
  }

  /**
   * For how many ms nothing ran here, up to now: the machine slept, or the page was frozen. Looking clears it.
   * `asleep` is the part of it in which the monotonic clock stood still.
   */
  look(): { readonly standstill: number; readonly asleep: number } {
    const now = this.#clock.now();
    const unix = this.#clock.unix();
    const ran = now - this.#now;
    const passed = unix - this.#unix;
    this.#now = now;
    this.#unix = unix;
    return { standstill: Math.max(ran, passed) - TICK_MS, asleep: passed - ran };
  }

  stop(): void {
    this.#cancel();
  }

  #tick(): void {
    this.#cancel = this.#clock.after(TICK_MS, () => this.#tick());
    if (this.look().asleep > STANDSTILL_MS) this.#onWake();
  }
}

/** What a page tells about its network and its visibility. */
interface PageListener {
  offline(): void;
  online(): void;
  visible(): void;
}

interface EventSource {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

/** The globals of a browser, as far as the SDK uses them; in Node there are none of them. */
interface Page extends EventSource {
  readonly document?: EventSource & { readonly visibilityState?: string };
}

/** Listens to a page's events; gives back what ends it. Where there is no page nothing ever happens. */
export function listenToPage(listener: PageListener, page: Page = globalThis as Page): () => void {
  const { document } = page;
  const offline = (): void => listener.offline();
  const online = (): void => listener.online();
  const visibility = (): void => {
    if (document?.visibilityState === 'visible') listener.visible();
  };
  page.addEventListener?.('offline', offline);
  page.addEventListener?.('online', online);
  document?.addEventListener?.('visibilitychange', visibility);
  return () => {
    page.removeEventListener?.('offline', offline);
    page.removeEventListener?.('online', online);
    document?.removeEventListener?.('visibilitychange', visibility);
  };
}
