/** The adapter for `danmaku` (github.com/weizhenye/Danmaku), in live mode: without `media`. Text is text there. */
import { type PlayableRoom, playRoom } from '../play-room.ts';
import { type AdaptedComment, type AdapterOptions, cssColor } from './adapter.ts';

/** CSS for the DOM engine, or properties of a canvas's context. An alias, since an interface is no CSSStyleDeclaration. */
type Style = { color?: string; fontSize?: string; fillStyle?: string; font?: string };

/** What is used of a Danmaku. */
export interface DanmakuPlayer {
  readonly engine?: string;
  emit(comment: { text: string; mode: 'rtl' | 'top' | 'bottom'; style: Style }): unknown;
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
  const show = ({ text, mode, color, size }: AdaptedComment): void => {
    // Hidden, the player draws nothing and lets nothing go.
    if ((player.comments?.length ?? 0) - (player._?.position ?? 0) > KEPT) return;
    const css = cssColor(color);
    const canvas: Style = { fillStyle: css, font: `${size}px sans-serif` };
    const style = player.engine === 'canvas' ? canvas : { color: css, fontSize: `${size}px` };
    player.emit({ text, mode: mode === 'scroll' ? 'rtl' : mode, style });
    forgetShown(player);
  };
  return playRoom(room, { ...options, show }).detach;
}

/** danmaku 2.0 never lets go of a comment; a stream that goes on for hours would fill the memory. */
function forgetShown({ comments, _: inner }: DanmakuPlayer): void {
  if (comments === undefined || inner === undefined || inner.position < KEPT) return;
  comments.splice(0, inner.position);
  inner.position = 0;
}
