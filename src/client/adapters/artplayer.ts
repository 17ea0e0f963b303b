/** The adapter for artplayer-plugin-danmuku (github.com/zhw2590582/ArtPlayer). Text is text there. */
import { MODES } from '../../comment.ts';
import { type PlayableRoom, playRoom } from '../play-room.ts';
import { type AdaptedComment, type AdapterOptions, cssColor } from './adapter.ts';

/** What is used of an Artplayer, whose own type says nothing of its plugins. */
export interface ArtplayerLike {
  readonly plugins: object;
}

interface Plugins {
  readonly artplayerPluginDanmuku?: {
    emit(danmu: { text: string; mode: number; color: string; style: { fontSize: string } }): unknown;
  };
}

/**
 * Shows the room's comments on `player`, while its video plays. Gives back what ends that.
 * @throws TypeError when the player has no such plugin
 */
export function attachArtplayer(
  player: ArtplayerLike,
  room: PlayableRoom<AdaptedComment>,
  options: AdapterOptions = {},
): () => void {
  const { artplayerPluginDanmuku: plugin } = player.plugins as Plugins;
  if (plugin === undefined) throw new TypeError('this Artplayer has no artplayer-plugin-danmuku');
  const show = ({ text, mode, color, size }: AdaptedComment): void => {
    plugin.emit({ text, mode: MODES.indexOf(mode), color: cssColor(color), style: { fontSize: `${size}px` } });
  };
  return playRoom(room, { ...options, show }).detach;
}
