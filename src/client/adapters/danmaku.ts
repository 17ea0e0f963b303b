/** The adapter for `danmaku` (github.com/weizhenye/Danmaku), in live mode: without `media`. Text is text there. */
import { isRightToLeft } from '../../comment.ts';
import type { PlayableRoom } from '../play-room.ts';
import { type AdaptedComment, type AdapterOptions, cssColor, playOn } from './adapter.ts';

/** Properties of a canvas's context. An alias, since an interface is no CanvasRenderingContext2D. */
type Style = { fillStyle?: string; font?: string; direction?: 'rtl'; textAlign?: 'left' };

/** An element, and what makes one, as far as they are needed. */
interface Item {
  textContent: string | null;
  dir: string;
  readonly style: { color: string; fontSize: string };
}
interface Page {
  readonly document: { createElement(name: 'div'): Item };
}

/** What is used of a Danmaku. */
export interface DanmakuPlayer {
  readonly engine?: string;
  /** `render` gives an element, for the DOM engine: `never` is what fits the type that the page has for it. */
  emit(comment: { text?: string; mode: 'rtl' | 'top' | 'bottom'; style?: Style; render?: () => never }): unknown;
  /** All that was ever emitted, and the place of what comes next: not documented. */
  readonly comments?: unknown[];
  readonly _?: { position: number };
}

/** Shown comments that a player may keep before they are taken from it. */
const KEPT = 1_000;

/** Shows the room's comments on `player`, with either engine. Gives back what ends that. */
export function attachDanmaku(
  player: DanmakuPlayer,
  room: PlayableRoom<AdaptedComment>,
  options: AdapterOptions = {},
): () => void {
  return playOn(room, options, ({ text, mode: how, color, size }) => {
    // Hidden, the player draws nothing and lets nothing go.
    if ((player.comments?.length ?? 0) - (player._?.position ?? 0) >= KEPT) return undefined;
    const mode = how === 'scroll' ? 'rtl' : how;
    forgetShown(player);
    if (player.engine === 'canvas') {
      // Unlike an element, a canvas knows no direction of the text's own. Its place stays that of the left edge.
      const direction = isRightToLeft(text) ? ({ direction: 'rtl', textAlign: 'left' } as const) : {};
      player.emit({ text, mode, style: { fillStyle: cssColor(color), font: `${size}px sans-serif`, ...direction } });
      return undefined;
    }
    const item = makeItem(text, color, size);
    player.emit({ mode, render: () => item as never });
    // The player counts on finding the element: it goes when its time is over.
    return () => {
      item.textContent = '';
    };
  });
}

function makeItem(text: string, color: number, size: number): Item {
  const item = (globalThis as unknown as Page).document.createElement('div');
  item.textContent = text;
  item.dir = 'auto';
  item.style.color = cssColor(color);
  item.style.fontSize = `${size}px`;
  return item;
}

/** danmaku 2.0 never lets go of a comment; a stream that goes on for hours would fill the memory. */
function forgetShown({ comments, _: inner }: DanmakuPlayer): void {
  if (comments === undefined || inner === undefined || inner.position < KEPT) return;
  comments.splice(0, inner.position);
  inner.position = 0;
}
