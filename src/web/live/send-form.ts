import { type Ack, type OwnComment, type Refused, VolleyClientError } from '../../client/bundle.ts';
import { elementOf } from '../page-element.ts';
import { checkText, countPoints, countSeconds, describeRefusal } from './refusal-words.ts';

export interface SendFormOptions {
  readonly maxText: number;
  readonly send: (comment: OwnComment) => Promise<Ack | Refused>;
  /** Called with the id of every comment that was taken. */
  readonly taken: (id: string) => void;
}

/** The box to write in. What was refused goes back into it, and the reason stands beside it and is read out. */
export class SendForm {
  readonly #form = elementOf('send', HTMLFormElement);
  readonly #text = elementOf('send-text', HTMLInputElement);
  readonly #counter = elementOf('send-counter', HTMLElement);
  readonly #button = elementOf('send-button', HTMLButtonElement);
  readonly #result = elementOf('send-result', HTMLElement);
  readonly #options: SendFormOptions;
  /** Until when the server wants to hear nothing, by `performance.now()`. */
  #waitUntil = 0;

  constructor(options: SendFormOptions) {
    this.#options = options;
    this.#text.addEventListener('input', () => this.#count());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    for (const control of this.#form.querySelectorAll<HTMLInputElement | HTMLButtonElement>('input, button'))
      control.disabled = false;
    this.#count();
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
    const wrong = wait > 0 ? `Try again in ${countSeconds(wait)}.` : checkText(text, this.#options.maxText);
    if (wrong !== null) {
      this.#say(wrong, 'refused');
      return;
    }
    const chosen = new FormData(this.#form);
    const mode = chosen.get('mode');
    const color = Number.parseInt(String(chosen.get('color')), 16);
    this.#text.value = '';
    this.#count();
    this.#say('Sending…', 'sending');
    this.#options
      .send({ text, color, mode: mode === 'top' || mode === 'bottom' ? mode : 'scroll' })
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
    this.#say(describeRefusal(answer), 'refused');
    if (answer.retryAfterMs !== undefined) this.#rest(answer.retryAfterMs);
  }

  #failed(text: string, error: unknown): void {
    this.#giveBack(text);
    if (!(error instanceof VolleyClientError)) throw error;
    if (error.code === 'CONNECTION_LOST') {
      this.#say('The connection was lost before the answer: your comment may have been taken or not.', 'refused');
    } else {
      this.#say('Not sent: there is no connection right now.', 'refused');
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
    };
    tick();
  }

  #say(words: string, kind: 'sending' | 'taken' | 'refused'): void {
    this.#result.dataset.kind = kind;
    this.#result.textContent = words;
  }
}
