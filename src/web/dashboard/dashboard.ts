/** The operator's dashboard: one stream in, tiles, charts and rooms out. */
import { isRoomName } from '../../comment.ts';
import { CODECS } from '../../frames/codec.ts';
import type { RoomDetail, Tick } from '../../metrics/sample.ts';
import { elementOf, setText } from '../page-element.ts';
import { ChartCard } from './chart-card.ts';
import { CHARTS, SampleWindow } from './chart-list.ts';
import { DashboardStream, type StreamState } from './dashboard-stream.ts';
import { writeCount, writeSpan, writeTime, writeValue } from './number-text.ts';
import { RoomTable } from './room-table.ts';

/** The part of the page that tells of one room. */
class RoomPanel {
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

/** What each tile at the top of the page tells, by its id. */
const TILES: Readonly<Record<string, (tick: Tick) => string>> = {
  'stat-viewers': ({ sample }) => writeCount(sample.viewers),
  'stat-rooms': ({ sample }) => writeCount(sample.rooms),
  'stat-comments': ({ totals }) => writeCount(totals.commentsHttp + totals.commentsSocket + totals.commentsDemo),
  'stat-pending': ({ sample }) => writeCount(sample.pending),
  'stat-deliveries': ({ totals }) => writeCount(totals.deliveries),
  'stat-store': ({ sample }) => writeValue(sample.storeBytes, 'bytes'),
  'stat-ring': ({ sample, ringCapacity }) => writeValue(sample.ringUsed / Math.max(1, ringCapacity), 'share'),
  'stat-restarts': ({ totals }) => writeCount(totals.shardRestarts),
};

/** Writes the tiles. */
function showTiles(tick: Tick): void {
  for (const [id, write] of Object.entries(TILES)) setText(elementOf(id, HTMLElement), write(tick));
}

/** Seconds between two drawings for those who want little motion: the charts then stand still meanwhile. */
const CALM_SECONDS = 5;

const STATES: Readonly<Record<StreamState, string>> = { connecting: 'Connecting', live: 'Live', lost: 'Lost' };

const calm = matchMedia('(prefers-reduced-motion: reduce)');
const samples = new SampleWindow();
const cards = CHARTS.map((chart) => new ChartCard(chart));
const panel = new RoomPanel();
const table = new RoomTable(elementOf('rooms-body', HTMLElement), elementOf('rooms-none', HTMLElement), openRoom);
let tick: Tick | null = null;
let spanMs = 600_000;
let seconds = 0;
let state: StreamState = 'connecting';
/** The charts come with the first history, and push the rooms down: a link to these is followed then. */
let leadsToRooms = location.hash === '#rooms';

const stream = new DashboardStream({
  newestAt: () => samples.newestAt,
  history(history) {
    samples.add(history.samples);
    tick = history.tick;
    if (tick !== null) table.take(tick);
    show(true);
    if (leadsToRooms) elementOf('rooms', HTMLElement).scrollIntoView();
    leadsToRooms = false;
  },
  tick(news) {
    samples.add([news.sample]);
    tick = news;
    table.take(news);
    seconds += 1;
    show(!calm.matches || seconds % CALM_SECONDS === 0);
  },
  room: (detail) => panel.show(detail),
  state: showState,
});

/** Nothing is drawn that nobody can see. */
function show(draws: boolean): void {
  if (document.hidden) return;
  const moments = samples.moments(spanMs);
  for (const card of cards) card.show(moments, tick, spanMs, draws);
  if (tick === null) return;
  showTiles(tick);
  const order = table.show();
  for (const input of document.querySelectorAll<HTMLInputElement>('input[name="order"]')) {
    input.checked = input.value === order;
  }
  const updated = elementOf('updated', HTMLElement);
  setText(updated, writeTime(tick.sample.at));
  // What the test compares the values with: the second that they are of.
  updated.dataset.at = String(tick.sample.at);
}

function showState(now: StreamState): void {
  if (now === state) return;
  state = now;
  const pill = elementOf('link', HTMLElement);
  pill.dataset.state = now;
  setText(pill, STATES[now]);
  const banner = elementOf('lost', HTMLElement);
  banner.hidden = now !== 'lost';
  const since = samples.newestAt === 0 ? '' : ` What you see is of ${writeTime(samples.newestAt)}.`;
  setText(banner, now === 'lost' ? `No connection to the server; trying again.${since}` : '');
  document.body.classList.toggle('stale', now === 'lost');
}

function openRoom(room: string): void {
  panel.open(room);
  table.mark(room);
  history.replaceState(null, '', `?room=${encodeURIComponent(room)}`);
  stream.open(room);
  panel.focus();
}

function closeRoom(): void {
  panel.close();
  table.mark(null);
  history.replaceState(null, '', location.pathname);
  stream.open(null);
}

elementOf('charts', HTMLElement).append(...cards.map(({ element }) => element));
elementOf('room-close', HTMLElement).addEventListener('click', () => {
  closeRoom();
  elementOf('room-query', HTMLElement).focus();
});
elementOf('room-form', HTMLElement).addEventListener('submit', (event) => {
  event.preventDefault();
  const input = elementOf('room-query', HTMLInputElement);
  const isName = isRoomName(input.value);
  setText(elementOf('room-error', HTMLElement), isName ? '' : 'A room name has 1 to 64 letters, digits or . _ : -');
  input.setAttribute('aria-invalid', String(!isName));
  if (isName) openRoom(input.value);
});
for (const input of document.querySelectorAll<HTMLInputElement>('input[name="span"]')) {
  input.addEventListener('change', () => {
    spanMs = Number(input.value) * 60_000;
    show(true);
  });
}
for (const input of document.querySelectorAll<HTMLInputElement>('input[name="order"]')) {
  input.addEventListener('change', () => table.sortBy(input.value === 'comments' ? 'comments' : 'viewers'));
}
document.addEventListener('visibilitychange', () => show(true));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const card of cards) card.recolor(spanMs);
});

const asked = new URLSearchParams(location.search).get('room');
if (asked !== null && isRoomName(asked)) {
  panel.open(asked);
  table.mark(asked);
  stream.open(asked);
} else {
  stream.open(null);
}
