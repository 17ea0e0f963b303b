import { CODECS } from '../../frames/codec.ts';
import type { RoomDetail } from '../../metrics/sample.ts';
import { elementOf, setText } from '../page-element.ts';
import { writeCount, writeSpan } from './number-text.ts';

/** The part of the page that tells of one room. */
export class RoomPanel {
  readonly #panel = elementOf('room', HTMLElement);
  readonly #heading = elementOf('room-heading', HTMLElement);
  readonly #state = elementOf('room-state', HTMLElement);
  readonly #link = elementOf('room-link', HTMLElement);

  /** Opens the panel for a room, without values until the server sends them. */
  open(room: string): void {
    setText(this.#heading, `Room ${room}`);
    this.#link.setAttribute('href', `/?room=${encodeURIComponent(room)}`);
    for (const value of this.#panel.querySelectorAll('dd')) setText(value, '–');
    setText(this.#state, '');
    this.#panel.hidden = false;
  }

  close(): void {
    this.#panel.hidden = true;
  }

  focus(): void {
    this.#heading.focus();
  }

  show(detail: RoomDetail): void {
    const { viewers, comments, pending, seq, sincePush, viewersByCodec, viewersByShard, live } = detail;
    setText(this.#state, live ? '' : 'Nobody watches, and nothing is on its way.');
    const texts: Readonly<Record<string, string>> = {
      'room-viewers': writeCount(viewers),
      'room-comments': `${writeCount(comments)}/s`,
      'room-pending': writeCount(pending),
      'room-seq': String(seq),
      'room-push': sincePush === null ? '–' : `${writeSpan(sincePush)} ago`,
      'room-codecs': CODECS.map((codec, i) => `${codec} ${writeCount(viewersByCodec[i] ?? 0)}`).join(', '),
      'room-shards': viewersByShard.map((count, shard) => `${shard}: ${writeCount(count)}`).join(', '),
    };
    for (const [id, text] of Object.entries(texts)) setText(elementOf(id, HTMLElement), text);
  }
}
