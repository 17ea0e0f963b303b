/** Plays a room: what a connection receives goes through a Playout, and no further while nobody can see it. */
import { parseCommentId } from '../comment-id.ts';
import { type Playable, Playout, type PlayoutOptions } from './playout.ts';

/** What is read of a welcome. */
interface PlayedWelcome {
  readonly seq: number;
  readonly interval: number;
  readonly reset?: boolean | undefined;
}

/** What a connection gives to whoever plays it; `connect` gives it, and so does anything else of this shape. */
export interface PlayableRoom<C extends Playable = Playable> {
  /** `connecting` before the first welcome. */
  readonly state?: string;
  /** The last batch that was received. */
  readonly last?: number | undefined;
  on(event: 'welcome', listener: (welcome: PlayedWelcome) => void): () => void;
  on(event: 'batch', listener: (batch: { readonly seq: number; readonly comments: readonly C[] }) => void): () => void;
  on(event: 'recall', listener: (ids: readonly string[]) => void): () => void;
}

export interface PlayRoomOptions<C extends Playable = Playable> extends PlayoutOptions<C> {
  /**
   * Plays the room's history too, what was said up to the first welcome: `true` all of it, a number that many of its
   * newest comments. Default false.
   */
  readonly backfill?: boolean | number;
}

/** A room that is being played. */
export interface RoomPlayout<C extends Playable = Playable> {
  readonly playout: Playout<C>;
  /** Shows nothing more and listens no more. The connection stays open. */
  detach(): void;
}

/** A browser's document, as far as it is needed; in Node there is none, and nothing is ever hidden. */
interface Visibility {
  readonly visibilityState: string;
  addEventListener(type: 'visibilitychange', listener: () => void): void;
  removeEventListener(type: 'visibilitychange', listener: () => void): void;
}

/**
 * Plays what `room` receives from now on. Called right after `connect` it takes the interval from the first welcome.
 * Called later it hears of none before the next link: give `interval` then, unless it is 1,000 ms.
 *
 * While the page is hidden nothing is shown: no frames are drawn then, so comments would pile up. What was missed over
 * a reconnect is played as after a stall.
 * @throws RangeError when an option cannot be
 */
export function playRoom<C extends Playable>(room: PlayableRoom<C>, options: PlayRoomOptions<C>): RoomPlayout<C> {
  const { backfill = false } = options;
  const most = backfill === true ? Number.POSITIVE_INFINITY : Number(backfill);
  if (!(most >= 0) || most % 1 > 0) throw new RangeError('backfill must be a boolean or a whole number, 0 or more');
  const playout = new Playout<C>(options);
  // A room that is connected already has had its history, and its next welcome is that of a reconnect.
  const connected = room.state !== undefined && room.state !== 'connecting';
  let history = connected ? room.last : undefined;
  // It may come in several batches; which of its comments are the newest is known with the last.
  let newest: C[] = [];
  const replay = (): void => {
    if (newest.length > 0) playout.replay({ comments: newest });
    newest = [];
  };
  const ends = [
    room.on('welcome', ({ seq, interval, reset }) => {
      // A room that has begun anew counts from 1 again: nothing that comes now is from before this viewer came.
      history = reset === true ? 0 : (history ?? seq);
      if (reset === true) newest = [];
      playout.interval = options.interval ?? interval;
    }),
    room.on('batch', ({ seq, comments }) => {
      const end = history ?? 0;
      // The last message of a history may hold the end of that and what is new, so the ids tell which is which.
      const isOld = ({ id }: C): boolean => seq <= end || (parseCommentId(id)?.seq ?? seq) <= end;
      if (most > 0) newest = [...newest, ...comments.filter(isOld)].slice(-most);
      if (seq >= end) replay();
      if (seq > end) playout.add({ comments: comments.filter((comment) => !isOld(comment)) });
    }),
    room.on('recall', (ids) => {
      newest = newest.filter(({ id }) => !ids.includes(id));
      playout.recall(ids);
    }),
    whenHidden(playout),
  ];
  return {
    playout,
    detach() {
      for (const end of ends) end();
      playout.stop();
    },
  };
}

function whenHidden(playout: { pause(): void; resume(): void }): () => void {
  const { document } = globalThis as { readonly document?: Visibility };
  if (document === undefined) return () => {};
  const follow = (): void => {
    if (document.visibilityState === 'hidden') playout.pause();
    else playout.resume();
  };
  follow();
  document.addEventListener('visibilitychange', follow);
  return () => document.removeEventListener('visibilitychange', follow);
}
