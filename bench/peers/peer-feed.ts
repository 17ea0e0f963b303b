import { Agent, request } from 'node:http';
import { MODES } from '../../src/comment.ts';
import { takeDrafts } from './peer-comments.ts';

export interface PeerFeedOptions {
  readonly apiUrl: string;
  readonly rooms: readonly string[];
  /** Comments a post. */
  readonly comments: number;
  /** Milliseconds between two posts to a room. */
  readonly every: number;
  /** How many different posts there are before the first comes again. */
  readonly posts: number;
}

/**
 * Posts to volley, at a steady pace until it is stopped, the comments that the other contenders' frames are made of. The
 * bodies are made beforehand, so that this process, where the load is steered from, has little to do.
 */
export class PeerFeed {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #timer: NodeJS.Timeout;
  /** Posts that were not taken whole, so far. */
  refused = 0;

  constructor({ apiUrl, rooms, comments, every, posts }: PeerFeedOptions) {
    const bodies = Array.from({ length: posts }, (_, push) => makeBody(push * comments, comments));
    const urls = rooms.map((room) => `${apiUrl}/rooms/${room}/comments`);
    let next = 0;
    this.#timer = setInterval(() => {
      const body = bodies[next] as Buffer;
      next = (next + 1) % bodies.length;
      for (const url of urls) this.#post(url, body);
    }, every);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#agent.destroy();
  }

  #post(url: string, body: Buffer): void {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const posting = request(url, { method: 'POST', agent: this.#agent, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => {
        if (answer.statusCode !== 202 || !text.includes('"refused":[]')) this.refused += 1;
      });
    });
    posting.on('error', () => {
      this.refused += 1;
    });
    posting.end(body);
  }
}

function makeBody(first: number, count: number): Buffer {
  const comments = takeDrafts(first, count).map(({ text, mode, color, size }) => {
    return { text, mode: MODES[mode], color, size };
  });
  return Buffer.from(JSON.stringify(comments));
}
