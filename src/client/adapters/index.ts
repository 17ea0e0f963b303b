/** Adapters: a room's comments on the players that sites have already. */
export { type AdaptedComment, type AdapterOptions, cssColor } from './adapter.ts';
export { type ArtplayerLike, attachArtplayer } from './artplayer.ts';
export { attachDanmaku, type DanmakuPlayer } from './danmaku.ts';
export { attachDPlayer, type DPlayerLike } from './dplayer.ts';
