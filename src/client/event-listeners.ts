import { throwLater } from './client-error.ts';

/** Takes an event of the type that its name says. */
export type Listener<T> = (event: T) => void;

/** Typed events: `Events` maps each event's name to what its listeners are given. */
export class EventListeners<Events> {
  readonly #listeners = new Map<keyof Events, Set<{ readonly call: Listener<never> }>>();
  readonly #report: (error: unknown) => void;

  /** @param report is told what a listener threw; by default it is an uncaught error, as in any event listener */
  constructor(report: (error: unknown) => void = throwLater) {
    this.#report = report;
  }

  /** Adds a listener; the same function may be added twice. Gives back what takes it off again. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const entry = { call: listener as Listener<never> };
    const entries = this.#listeners.get(name);
    if (entries === undefined) this.#listeners.set(name, new Set([entry]));
    else entries.add(entry);
    return () => {
      this.#listeners.get(name)?.delete(entry);
    };
  }

  /** Calls the event's listeners in the order in which they were added. One that throws stops none of the others. */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const { call } of this.#listeners.get(name) ?? []) {
      try {
        (call as Listener<Events[Name]>)(event);
      } catch (error) {
        this.#report(error);
      }
    }
  }
}
