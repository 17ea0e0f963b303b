import { type Ack, type OwnComment, type Refused, VolleyClientError } from '../../client/bundle.ts';
import { isVisible } from '../../comment.ts';
import { elementOf } from '../page-element.ts';

export interface SendFormOptions {
  readonly maxText: number;
  readonly viewerNames: boolean;
  readonly send: (comment: OwnComment) => Promise<Ack | Refused>;
  /** Called with the id of every comment that was taken. */
  readonly taken: (id: string) => void;
}

/** Where the browser keeps what the reader has chosen. */
const KEPT_NAME = 'volley-name';
const KEPT_COLOUR = 'volley-colour';

/** The screens of phones: the choices are folded up there. */
const SMALL = '(max-width: 900px), (max-height: 500px)';

/** What the words beside the box say: that something is under way or done, is wrong with what is written, or must wait. */
type Kind = 'sending' | 'taken' | 'wrong' | 'wait' | 'failed';

/** The box to write in. What was refused goes back into it, and the reason stands beside it and is read out. */
export class SendForm {
  readonly #form = elementOf('send', HTMLFormElement);
  readonly #text = elementOf('send-text', HTMLInputElement);
  readonly #name = elementOf('send-name', HTMLInputElement);
  readonly #counter = elementOf('send-counter', HTMLElement);
  readonly #button = elementOf('send-button', HTMLButtonElement);
  readonly #result = elementOf('send-result', HTMLElement);
  readonly #options: SendFormOptions;
  #kind: Kind = 'taken';
  /** Until when the server wants to hear nothing, by `performance.now()`. */
  #waitUntil = 0;

  constructor(options: SendFormOptions) {
    this.#options = options;
    this.#text.addEventListener('input', () => this.#edited());
    this.#name.addEventListener('input', () => this.#edited());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    for (const control of this.#form.querySelectorAll<HTMLInputElement | HTMLButtonElement>('input, button'))
      control.disabled = false;
    this.#recallChoices();
    this.#count();
  }

  /** Name and colour are those of the last visit. */
  #recallChoices(): void {
    elementOf('send-naming', HTMLElement).hidden = !this.#options.viewerNames;
    this.#name.value = readKept(KEPT_NAME);
    const colour = readKept(KEPT_COLOUR);
    for (const input of this.#form.querySelectorAll<HTMLInputElement>('input[name="color"]')) {
      if (input.value === colour) input.checked = true;
      input.addEventListener('change', () => keep(KEPT_COLOUR, input.value));
    }
    this.#name.addEventListener('change', () => keep(KEPT_NAME, this.#name.value.trim()));
  }

  /** A complaint goes once what it complains of is mended. */
  #edited(): void {
    this.#count();
    if (this.#kind !== 'wrong') return;
    const wrong = this.#text.value === '' ? null : checkText(this.#text.value, this.#options.maxText);
    this.#say(wrong ?? '', 'wrong');
  }

  #count(): void {
    const { maxText } = this.#options;
    const points = countPoints(this.#text.value);
    this.#counter.textContent = `${points}/${maxText}`;
    this.#counter.classList.toggle('over', points > maxText);
    this.#text.setAttribute('aria-invalid', String(points > maxText));
  }

  #submit(): void {
    const text = this.#text.value;
    const wait = this.#waitUntil - performance.now();
    if (wait > 0) {
      this.#say(`Try again in ${countSeconds(wait)}.`, 'wait');
      return;
    }
    const wrong = checkText(text, this.#options.maxText);
    if (wrong !== null) {
      this.#say(wrong, 'wrong');
      return;
    }
    const chosen = new FormData(this.#form);
    const mode = chosen.get('mode');
    const color = Number.parseInt(String(chosen.get('color')), 16);
    const name = this.#name.value.trim();
    this.#text.value = '';
    this.#count();
    this.#say('Sending…', 'sending');
    this.#options
      .send({
        text,
        color,
        mode: mode === 'top' || mode === 'bottom' ? mode : 'scroll',
        ...(this.#options.viewerNames && name !== '' && { name }),
      })
      .then((answer) => this.#answered(text, answer))
      .catch((error: unknown) => this.#failed(text, error));
  }

  #answered(text: string, answer: Ack | Refused): void {
    if ('id' in answer) {
      this.#say('Sent.', 'taken');
      this.#options.taken(answer.id);
      return;
    }
    this.#giveBack(text);
    const kind = answer.retryAfterMs === undefined ? 'wrong' : 'wait';
    this.#say(describeRefusal(answer), kind);
    if (answer.retryAfterMs !== undefined) this.#rest(answer.retryAfterMs);
  }

  #failed(text: string, error: unknown): void {
    this.#giveBack(text);
    if (!(error instanceof VolleyClientError)) throw error;
    if (error.code === 'CONNECTION_LOST') {
      this.#say('The connection was lost before the answer: your comment may have been taken or not.', 'failed');
    } else {
      this.#say('Not sent: there is no connection right now.', 'failed');
    }
  }

  /** Who has begun to write something else keeps that. */
  #giveBack(text: string): void {
    if (this.#text.value !== '') return;
    this.#text.value = text;
    this.#count();
  }

  /** Counts down on the button for `ms`, in which nothing is sent. */
  #rest(ms: number): void {
    this.#waitUntil = performance.now() + ms;
    const tick = (): void => {
      const left = this.#waitUntil - performance.now();
      this.#button.textContent = left > 0 ? `Send (${Math.ceil(left / 1_000)})` : 'Send';
      this.#button.setAttribute('aria-disabled', String(left > 0));
      if (left > 0) setTimeout(tick, Math.min(left, 1_000));
      else if (this.#kind === 'wait') this.#say('', 'wait');
    };
    tick();
  }

  #say(words: string, kind: Kind): void {
    this.#kind = kind;
    this.#result.dataset.kind = kind;
    if (this.#result.textContent !== words) this.#result.textContent = words;
  }
}

/** Keeps the choices open where the screen has room for them, and folds them up where it has not. */
export function foldChoices(): void {
  const choices = elementOf('send-choices', HTMLDetailsElement);
  const small = matchMedia(SMALL);
  const follow = (): void => {
    choices.open = !small.matches;
  };
  small.addEventListener('change', follow);
  follow();
}

/** '' where nothing was kept, or where the browser keeps nothing. */
function readKept(key: string): string {
  try {
    return localStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing, in a private window say: it lasts as long as the page.
  }
}

/** A refusal as the SDK gives it. */
interface Refusal {
  readonly refused: string;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

/** What a reader is told by code; the server's own sentence stands in for codes that are not here. */
const SENTENCES: Readonly<Record<string, string>> = {
  TOO_LARGE: 'This comment is too long.',
  RATE_LIMITED: 'You are writing too fast.',
  ROOM_BUSY: 'Too many people are writing in this room right now.',
  BUSY: 'The server has more comments than it can take right now.',
  SHUTTING_DOWN: 'The server is restarting.',
  STORE_FAILED: 'The server could not keep your comment. Try again in a while.',
  STORE_FULL: 'The server has no room for more comments. Try again later.',
};

/** Why a comment was not taken, in words, and when to try again where that is known. */
export function describeRefusal({ refused, message, retryAfterMs }: Refusal): string {
  const sentence = SENTENCES[refused] ?? `Not taken: ${message}.`;
  return retryAfterMs === undefined ? sentence : `${sentence} Try again in ${countSeconds(retryAfterMs)}.`;
}

/** `1 second`, `3 seconds`; whole ones, rounded up, so that who waits that long does not come too soon. */
export function countSeconds(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1_000));
  return `${seconds} ${seconds === 1 ? 'second' : 'seconds'}`;
}

/** What is wrong with a text before it is sent, null where nothing is. */
export function checkText(text: string, maxText: number): string | null {
  if (!isVisible(text)) return 'Write something first.';
  const excess = countPoints(text) - maxText;
  return excess > 0 ? `Too long by ${excess} ${excess === 1 ? 'character' : 'characters'}.` : null;
}

/** Code points, as the server counts them. */
export function countPoints(text: string): number {
  return [...text].length;
}
