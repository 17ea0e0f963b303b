import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { parseRecording, type RecordedComment } from '../scripts/bilibili-xml.ts';
import { compiledFile } from '../src/compiled-file.ts';

/** The real recording that ships with the project. */
export const SAMPLE = compiledFile('../bench/comments.xml');

/** Real comments, as many as asked for, over and over. */
class CommentSource {
  readonly #comments: readonly RecordedComment[] = parseRecording(readFileSync(SAMPLE, 'utf8')).moments.map(
    ({ comment }) => comment,
  );
  #next = 0;

  take(count: number): RecordedComment[] {
    return Array.from({ length: count }, () => {
      this.#next += 1;
      return this.#comments[this.#next % this.#comments.length] as RecordedComment;
    });
  }
}

export interface FeedOptions {
  readonly apiUrl: string;
  readonly rooms: readonly string[];
  /** Comments a post. */
  readonly comments: number;
  /** Milliseconds between two posts to a room. */
  readonly every: number;
}

/** Posts real comments to rooms at a steady pace until it is stopped. */
export class Feed {
  readonly #options: FeedOptions;
  readonly #source = new CommentSource();
  readonly #agent = new Agent({ keepAlive: true });
  readonly #timer: NodeJS.Timeout;
  #refused = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      for (const room of options.rooms) this.#post(room);
    }, options.every);
  }

  /** Ends the feed; gives the number of posts that were not taken whole. */
  stop(): number {
    clearInterval(this.#timer);
    this.#agent.destroy();
    return this.#refused;
  }

  #post(room: string): void {
    const body = Buffer.from(JSON.stringify(this.#source.take(this.#options.comments)));
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const url = `${this.#options.apiUrl}/rooms/${room}/comments`;
    const posting = request(url, { method: 'POST', agent: this.#agent, headers }, (answer) => {
      answer.resume();
      if (answer.statusCode !== 202) this.#refused += 1;
    });
    posting.on('error', () => {
      this.#refused += 1;
    });
    posting.end(body);
  }
}
