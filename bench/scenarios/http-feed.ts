import { Agent, type ClientRequest, request } from 'node:http';
import type { RecordedComment } from '../../scripts/bilibili-xml.ts';
import { benchNow } from '../load/bench-clock.ts';
import { type DuePost, FeedSchedule } from './feed-schedule.ts';
import { addTo, readPostAnswer } from './post-answer.ts';

/** Posts that may wait for the store at once, and sockets for them and for those that do not wait. */
export const MOST_WAITING = 256;
export const MOST_SOCKETS = MOST_WAITING + 64;

/** Beyond these nothing is posted: the server takes them more slowly than they come, and they are memory. */
const MOST_UNDER_WAY = 20_000;

/** A post that has no answer after this long is given up, in ms. */
const ANSWER_MS = 15_000;

export interface FeedPlan {
  /** `http://HOST:PORT` */
  readonly apiUrl: string;
  readonly rooms: readonly string[];
  /** Comments a second a room. */
  readonly rate: number;
  /** ms between two posts to a room at least: what is due in between goes along. */
  readonly gap: number;
  readonly comments: readonly RecordedComment[];
  /** Rooms, by their place, whose posts wait for the store: their comments' ids are told to `onPosted`. */
  readonly timed: ReadonlySet<number>;
  /**
   * A comment was stored.
   * @param room its place in `rooms`
   * @param id under which it is pushed
   * @param at `benchNow()` at which it was due
   */
  readonly onPosted: (room: number, id: string, at: number) => void;
}

/** What a feed did since `begin`. */
export interface FeedFigures {
  readonly posts: number;
  /** Comments in those posts. */
  readonly sent: number;
  readonly accepted: number;
  /** Refused comments by code; where a post failed altogether, by the system's code. */
  readonly refused: ReadonlyMap<string, number>;
  /** Comments that were not posted because too many posts were under way. */
  readonly unposted: number;
  /** By how much the latest post missed its time, in ms. */
  readonly worstLate: number;
  /** How long comments waited for their post on average, by the plan, in ms: it is in their latency. */
  readonly meanWait: number;
}

/** Posts real comments to every room at the times of a {@link FeedSchedule}, whatever the answers do. */
export class HttpFeed {
  readonly #plan: FeedPlan;
  readonly #texts: readonly string[];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MOST_SOCKETS });
  readonly #schedule: FeedSchedule;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #nextText = 0;
  readonly #underWay = new Set<ClientRequest>();
  #figures = emptyFigures();

  constructor(plan: FeedPlan) {
    this.#plan = plan;
    this.#texts = plan.comments.map((comment) => JSON.stringify(comment));
    this.#schedule = new FeedSchedule(plan.rooms.length, plan.rate, plan.gap);
  }

  start(): void {
    this.#startedAt = benchNow();
    this.#postDue();
  }

  /** What was counted so far is forgotten: from here on counts. */
  begin(): void {
    this.#figures = emptyFigures();
  }

  read(): FeedFigures {
    const { waited, ...figures } = this.#figures;
    const meanWait = figures.sent === 0 ? 0 : waited / figures.sent;
    return { ...figures, meanWait, refused: new Map(figures.refused) };
  }

  /** Ends the feed; answers that are under way are not waited for. Idempotent. */
  stop(): void {
    clearTimeout(this.#timer);
    // The agent would open sockets anew for those that still wait for one.
    for (const posting of this.#underWay) posting.destroy();
    this.#agent.destroy();
  }

  #postDue(): void {
    const now = benchNow() - this.#startedAt;
    for (let at = this.#schedule.nextAt; at <= now; at = this.#schedule.nextAt) {
      const post = this.#schedule.take();
      if (post.due.length === 0) continue;
      this.#figures.worstLate = Math.max(this.#figures.worstLate, now - at);
      this.#post(post);
    }
    this.#timer = setTimeout(
      () => this.#postDue(),
      Math.max(0, this.#schedule.nextAt - (benchNow() - this.#startedAt)),
    );
  }

  #post({ room, at, due }: DuePost): void {
    const count = due.length;
    if (this.#underWay.size >= MOST_UNDER_WAY) {
      this.#figures.unposted += count;
      return;
    }
    for (const time of due) this.#figures.waited += at - time;
    const isTimed = this.#plan.timed.has(room);
    const url = `${this.#plan.apiUrl}/rooms/${this.#plan.rooms[room]}/comments${isTimed ? '?wait=stored' : ''}`;
    this.#send(url, this.#take(count), count, (ids) => {
      ids.forEach((id, place) => {
        if (id !== null) this.#plan.onPosted(room, id, this.#startedAt + (due[place] ?? at));
      });
    });
  }

  #send(url: string, text: string, count: number, onIds: (ids: readonly (string | null)[]) => void): void {
    const body = Buffer.from(text);
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const figures = this.#figures;
    let isOver = false;
    // A post can fail more than once: when it is given up, and then when its socket goes.
    const fail = (error: NodeJS.ErrnoException): void => {
      if (!isOver) addTo(figures.refused, error.code ?? error.message, count);
      isOver = true;
    };
    figures.posts += 1;
    figures.sent += count;
    const posting = request(url, { method: 'POST', agent: this.#agent, headers, timeout: ANSWER_MS }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', fail);
      answer.once('end', () => {
        isOver = true;
        const outcome = readPostAnswer(answer.statusCode ?? 0, Buffer.concat(parts).toString(), count);
        figures.accepted += outcome.accepted;
        for (const [code, refused] of outcome.refused) addTo(figures.refused, code, refused);
        onIds(outcome.ids);
      });
    });
    posting.once('timeout', () => posting.destroy(Object.assign(new Error('no answer'), { code: 'NO_ANSWER' })));
    posting.on('error', fail);
    posting.once('close', () => this.#underWay.delete(posting));
    this.#underWay.add(posting);
    posting.end(body);
  }

  #take(count: number): string {
    const texts: string[] = [];
    for (let i = 0; i < count; i += 1) {
      texts.push(this.#texts[this.#nextText] ?? '');
      this.#nextText = (this.#nextText + 1) % this.#texts.length;
    }
    return `[${texts.join(',')}]`;
  }
}

function emptyFigures() {
  return { posts: 0, sent: 0, accepted: 0, refused: new Map<string, number>(), unposted: 0, worstLate: 0, waited: 0 };
}
