import type { ConnectionState } from '../../client/bundle.ts';
import { elementOf } from '../page-element.ts';

/** What the page says of its link: `waiting` before the server was found at all, `blocked` while it refuses handshakes. */
type Shown = ConnectionState | 'waiting' | 'blocked' | 'invalid';

const WORDS: Readonly<Record<Shown, string>> = {
  waiting: 'Server not found, trying again…',
  connecting: 'Connecting…',
  live: 'Live',
  stale: 'No answer, connecting again…',
  reconnecting: 'Reconnecting…',
  blocked: 'Refused by the server, trying again…',
  closed: 'Closed',
  invalid: 'Not connected',
};

/** The state of the link and how many watch, in words and colours. */
export class LinkStatus {
  readonly #link = elementOf('link', HTMLElement);
  readonly #words = elementOf('link-words', HTMLElement);
  readonly #online = elementOf('online', HTMLElement);
  readonly #count = elementOf('online-count', HTMLElement);

  show(state: Shown): void {
    this.#link.dataset.state = state;
    if (this.#words.textContent !== WORDS[state]) this.#words.textContent = WORDS[state];
    // While there is no link the number is an old one.
    this.#online.classList.toggle('old', state !== 'live');
  }

  count(viewers: number): void {
    this.#count.textContent = viewers.toLocaleString('en');
    this.#online.hidden = false;
  }
}
