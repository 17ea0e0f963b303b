import { type Comment, isRightToLeft, MODES } from '../comment.ts';
import { type PlayableRoom, type PlayRoomOptions, playRoom } from './play-room.ts';
import type { Playable } from './playout.ts';

/** What the adapters read of a comment. */
export type AdaptedComment = Playable & Pick<Comment, 'text' | 'mode' | 'color' | 'size'>;

/** How the room is played; the adapter does the showing. */
export type AdapterOptions = Omit<PlayRoomOptions<AdaptedComment>, 'show'>;

/** Comments that can be taken off the screen again: the newest, more than any screen holds. */
const REMEMBERED = 1_000;

/**
 * Plays `room` with `show`, which gives back what takes the comment off the screen, for when it is recalled; undefined
 * where the player has no way to. Gives back what ends that.
 */
function playOn(
  room: PlayableRoom<AdaptedComment>,
  options: AdapterOptions,
  show: (comment: AdaptedComment) => (() => void) | undefined,
): () => void {
  const shown = new Map<string, () => void>();
  const { detach } = playRoom(room, {
    ...options,
    show: (comment) => {
      const takeOff = show(comment);
      if (takeOff === undefined) return;
      shown.set(comment.id, takeOff);
      const [oldest] = shown.keys();
      if (oldest !== undefined && shown.size > REMEMBERED) shown.delete(oldest);
    },
  });
  const ends = [
    // The ids of a room that has begun anew are those of other comments.
    room.on('welcome', ({ reset }) => reset === true && shown.clear()),
    room.on('recall', (ids) => {
      for (const id of ids) shown.get(id)?.();
    }),
    detach,
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** `0xRRGGBB` as CSS has it. */
export function cssColor(color: number): string {
  return `#${color.toString(16).padStart(6, '0')}`;
}

/** The adapter for `danmaku` (github.com/weizhenye/Danmaku), in live mode: without `media`. Text is text there. */

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

/** The adapter for artplayer-plugin-danmuku (github.com/zhw2590582/ArtPlayer). Text is text there. */

/** What is used of an Artplayer, whose own type says nothing of its plugins. */
export interface ArtplayerLike {
  readonly plugins: object;
}

/** What becomes of a comment that was given to the plugin, which copies the comment and keeps this in it. */
interface Fate {
  recalled: boolean;
  item?: VisibleDanmu;
}

interface Danmu {
  text: string;
  readonly mode: number;
  readonly color: string;
  readonly style: { readonly fontSize: string };
  readonly fate: Fate;
}

/** A comment on the screen, by anybody: its element, null again when it has left. */
type VisibleDanmu = Omit<Danmu, 'fate'> & {
  readonly fate?: Fate;
  readonly $ref: { textContent: string | null } | null;
};

type VisibleListener = (danmu: VisibleDanmu) => void;

interface Player {
  readonly plugins: { readonly artplayerPluginDanmuku?: { emit(danmu: Danmu): unknown } };
  on(event: typeof VISIBLE, listener: VisibleListener): unknown;
  off(event: typeof VISIBLE, listener: VisibleListener): unknown;
}

/** Told of each comment that has come onto the screen. */
const VISIBLE = 'artplayerPluginDanmuku:visible';

/**
 * Shows the room's comments on `player`, while its video plays. Gives back what ends that.
 * @throws TypeError when the player has no such plugin
 */
export function attachArtplayer(
  player: ArtplayerLike,
  room: PlayableRoom<AdaptedComment>,
  options: AdapterOptions = {},
): () => void {
  const art = player as ArtplayerLike & Player;
  const { artplayerPluginDanmuku: plugin } = art.plugins;
  if (plugin === undefined) throw new TypeError('this Artplayer has no artplayer-plugin-danmuku');
  const seen: VisibleListener = (danmu) => {
    const { fate } = danmu;
    if (fate === undefined) return;
    fate.item = danmu;
    if (fate.recalled) blank(danmu);
  };
  const end = playOn(room, options, ({ text, mode, color, size }) => {
    const fate: Fate = { recalled: false };
    plugin.emit({ text, mode: MODES.indexOf(mode), color: cssColor(color), style: { fontSize: `${size}px` }, fate });
    return () => {
      fate.recalled = true;
      if (fate.item !== undefined) blank(fate.item);
    };
  });
  art.on(VISIBLE, seen);
  return () => {
    art.off(VISIBLE, seen);
    end();
  };
}

/** Its text too, for the plugin shows it again when the video goes back. */
function blank(danmu: VisibleDanmu): void {
  danmu.text = '';
  if (danmu.$ref !== null) danmu.$ref.textContent = '';
}

/** The adapter for DPlayer (github.com/DIYgod/DPlayer), live: what its player needs is in docs/client.md. */

/** What is used of a DPlayer. */
export interface DPlayerLike {
  /** Not there when the player was made without `danmaku`. */
  readonly danmaku?: { draw(danmaku: { text: string; color: number; type: number }): unknown };
}

/**
 * Shows the room's comments on `player`, whose size they all have. Gives back what ends that.
 * @throws TypeError when the player was made without `danmaku`
 */
export function attachDPlayer(
  player: DPlayerLike,
  room: PlayableRoom<AdaptedComment>,
  options: AdapterOptions = {},
): () => void {
  const { danmaku } = player;
  if (danmaku === undefined) throw new TypeError('this DPlayer was made without the option danmaku');
  const show = ({ text, mode, color }: AdaptedComment): void => {
    // `draw` writes innerHTML. It numbers modes as we do, whatever its manual says, and takes colour 0 for none, so
    // that black would be white: it gets the darkest blue.
    const type = MODES.indexOf(mode);
    danmaku.draw({ text: text.replaceAll('&', '&amp;').replaceAll('<', '&lt;'), color: color || 1, type });
  };
  return playRoom(room, { ...options, show }).detach;
}
