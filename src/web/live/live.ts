/** The live page: a picture, a room's comments over it, a box to write in. `?room=` and `?src=` say which. */
import {
  type ConnectionState,
  connect,
  type LiveComment,
  playRoom,
  type RoomConnection,
  type RoomPlayout,
} from '../../client/bundle.ts';
import { elementOf } from '../page-element.ts';
import { CommentLog } from './comment-log.ts';
import { CommentStage } from './comment-stage.ts';
import {
  loadSettings,
  type PageAddress,
  type PageSettings,
  readAddress,
  staleAfterOf,
  viewerUrlOf,
} from './page-settings.ts';
import { foldChoices, SendForm } from './send-form.ts';
import { playStream } from './stream-player.ts';

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
class LinkStatus {
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

/** Comments of the past that the list begins with, and how many of them fly, so that the picture is not empty. */
const HISTORY = 50;
const REPLAYED = 8;
/** What came too late is no news to who has just come back to the page, for so many ms. */
const BACK_MS = 1_000;
/** Own comments that are remembered, to be marked. */
const MOST_OWN = 500;

const address = readAddress(location.search);
const calm = matchMedia('(prefers-reduced-motion: reduce)');
/** Phones, upright or not, on which the list has room of its own: below the picture, or beside it. */
const listFits = matchMedia('(max-width: 900px) and (min-height: 640px), (max-height: 500px) and (min-width: 640px)');
const own = new Set<string>();
const status = new LinkStatus();
const log = new CommentLog(own);
const notice = elementOf('notice', HTMLElement);

showPicture(address);
offerFullscreen(say);
foldChoices();
log.open(calm.matches || listFits.matches);
if (address.roomIsValid) {
  nameRoom(address.room);
  status.show('connecting');
  const settings = await loadSettings(() => status.show('waiting'));
  try {
    enter(address.room, settings);
  } catch (error) {
    // An address that the browser does not connect to, as ws:// from a page on https://.
    status.show('invalid');
    say(`The server cannot be reached from this page: ${error instanceof Error ? error.message : error}.`);
  }
} else {
  elementOf('room', HTMLElement).textContent = 'no room';
  status.show('invalid');
  say(`“${address.room}” cannot be a room: a name has 1 to 64 letters, digits, dots, colons, hyphens or underscores.`);
}

function nameRoom(room: string): void {
  elementOf('room', HTMLElement).textContent = room;
  document.title = `${room} · volley`;
  elementOf('dashboard-link', HTMLAnchorElement).search = `?room=${encodeURIComponent(room)}`;
}

function showPicture({ source }: PageAddress): void {
  if (source === null) say('This address cannot be played: only http and https are.');
  if (source === undefined || source === null) return;
  elementOf('scene', HTMLElement).hidden = true;
  playStream(source, say);
}

/** A sentence over the picture. */
function say(words: string): void {
  notice.textContent = words;
  notice.hidden = false;
}

function enter(name: string, settings: PageSettings): void {
  const staleAfter = staleAfterOf(settings);
  const room = connect({ url: viewerUrlOf(settings, location), room: name, history: HISTORY, staleAfter });
  room.on('state', (state) => status.show(state));
  room.on('blocked', ({ answer }) => {
    if (answer !== 'none') status.show('blocked');
  });
  room.on('viewers', (viewers) => status.count(viewers));
  room.on('batch', ({ comments }) => log.add(comments));
  room.on('welcome', ({ reset }) => {
    // The room has begun anew, and so have its ids.
    if (reset !== true) return;
    own.clear();
    log.clear();
  });
  room.on('gap', () => log.miss());
  room.on('recall', (ids) => {
    log.recall(ids);
    stage.recall(ids);
  });
  const stage = fly(room);
  new SendForm({
    ...settings,
    send: (comment) => room.send(comment),
    taken: (id) => {
      own.add(id);
      for (const oldest of own) {
        if (own.size <= MOST_OWN) break;
        own.delete(oldest);
      }
      log.markOwn(id);
      stage.markOwn(id);
    },
  });
}

/** Lets the comments fly, as many as the picture has room for, while the reader wants them to. */
function fly(room: RoomConnection): CommentStage {
  const toggle = elementOf('fly-toggle', HTMLButtonElement);
  const leftOut = elementOf('left-out', HTMLElement);
  let dropped = 0;
  let playing: RoomPlayout<LiveComment> | null = null;
  let backAt = Number.NEGATIVE_INFINITY;

  const leaveOut = (count: number): void => {
    dropped += count;
    leftOut.dataset.count = String(dropped);
    leftOut.textContent = `${dropped.toLocaleString('en')} left out: more came than the picture has room for`;
    leftOut.hidden = false;
  };
  const stage = new CommentStage(elementOf('stage', HTMLElement), own, () => leaveOut(1));

  const begin = (): void => {
    const onDropped = (count: number, reason: string): void => {
      const isNews = reason !== 'late' || !(document.hidden || performance.now() - backAt < BACK_MS);
      if (isNews) leaveOut(count);
    };
    const { perSecond } = stage;
    const show = (comment: LiveComment): void => stage.show(comment);
    playing = playRoom<LiveComment>(room, { show, perSecond, onDropped, backfill: REPLAYED });
  };
  const turn = (on: boolean): void => {
    toggle.setAttribute('aria-pressed', String(on));
    stage.turn(on);
    if (on === (playing !== null)) return;
    playing?.detach();
    playing = null;
    if (on) begin();
  };
  toggle.addEventListener('click', () => turn(toggle.getAttribute('aria-pressed') !== 'true'));
  calm.addEventListener('change', () => {
    turn(!calm.matches);
    if (calm.matches) log.open(true);
  });
  // Told while the event goes down to the document, so before the playout goes on.
  const comeBack = (): void => {
    backAt = performance.now();
  };
  window.addEventListener('visibilitychange', comeBack, { capture: true });
  new ResizeObserver(() => {
    stage.fit();
    if (playing !== null) playing.playout.perSecond = stage.perSecond;
  }).observe(elementOf('stage', HTMLElement));
  turn(!calm.matches);
  return stage;
}

/**
 * Lets the picture fill the screen by the page's button, with the comments over it. The player's own button makes the
 * video alone fill the screen: the comments then go into the layer above that.
 * `failed` is called with a sentence where the browser does not let it.
 */
function offerFullscreen(failed: (why: string) => void): void {
  const picture = elementOf('picture', HTMLElement);
  const video = elementOf('video', HTMLVideoElement);
  const stage = elementOf('stage', HTMLElement);
  const toggle = elementOf('full-toggle', HTMLButtonElement);
  const leave = elementOf('full-leave', HTMLButtonElement);
  const turn = (): void => {
    const turned = document.fullscreenElement === null ? picture.requestFullscreen() : document.exitFullscreen();
    turned.catch(() => failed('This browser does not let the page fill the screen.'));
  };
  toggle.hidden = !document.fullscreenEnabled;
  toggle.addEventListener('click', turn);
  leave.addEventListener('click', turn);
  document.addEventListener('fullscreenchange', () => {
    const filling = document.fullscreenElement;
    toggle.setAttribute('aria-pressed', String(filling !== null));
    leave.hidden = filling !== picture;
    if (filling === video) {
      stage.popover = 'manual';
      stage.showPopover();
    } else {
      stage.popover = null;
    }
  });
}
