import { type ServerProcess, startProcess } from '../testing/server-process.ts';
import { ViewerClient } from '../testing/viewer-client.ts';

const ROOMS = ['a', 'b', 'busy'];
const HTTP_SENDERS = 4;
const COMMENTS_A_POST = 3;

interface Kept {
  readonly id: string;
  readonly text: string;
}

/**
 * Servers on one directory, one after the other, each killed by SIGKILL under load; and everything that any of them
 * acknowledged, which each must still have.
 */
export class KillRounds {
  readonly #args: readonly string[];
  /** Texts by room and id: `a 42.7`. */
  readonly #acked = new Map<string, string>();
  readonly #sent = new Set<string>();
  /** The newest seq that was seen in a room before the server that runs now. */
  #before = new Map<string, number>();
  /** What a viewer of `busy` heard that comes back after each kill, and where it stands. */
  readonly #heard: Kept[] = [];
  #heardSeq = 0;
  /** What must never be; empty in every good run. */
  readonly faults: string[] = [];
  #rounds = 0;

  /** @param flags of the servers beside `--store` */
  constructor(dir: string, flags: readonly string[] = []) {
    this.#args = [
      '--store',
      `level:${dir}`,
      '--interval',
      '20',
      '--workers',
      '1',
      '--max-backfill',
      '10000000',
      ...flags,
    ];
  }

  get acked(): number {
    return this.#acked.size;
  }

  /** Starts a server, checks it, loads it, and kills it at a random moment while comments are being acknowledged. */
  async run(): Promise<void> {
    const server = await startProcess(this.#args);
    await this.#check(server);
    const before = this.acked;
    const watching = this.#watch(server);
    const loads = this.#load(server);
    const most = before + 20 + Math.random() * 200;
    while (this.acked < most && server.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
    server.child.kill('SIGKILL');
    const ended = await server.ended;
    await Promise.all([...loads, watching.closed]);
    this.#hear(watching);
    if (ended !== 'SIGKILL') this.faults.push(`round ${this.#rounds}: ended by ${ended}: ${server.stderr}`);
    this.#rounds += 1;
  }

  /** Checks what is kept once more, over HTTP and as a viewer, and stops the server in order. */
  async finish(): Promise<void> {
    const server = await startProcess(this.#args);
    await this.#check(server);
    const watching = this.#watch(server);
    const busy = await readRoom(server, 'busy');
    await watching.until(() => watching.seq >= Number.parseInt(busy.at(-1)?.id ?? '0', 10));
    await watching.close();
    this.#hear(watching);
    const missed = busy.findIndex(({ id }, i) => this.#heard[i]?.id !== id);
    if (missed !== -1 || busy.length !== this.#heard.length) {
      this.faults.push(
        `a viewer that came back heard ${this.#heard.length} of ${busy.length}, not ${busy[missed]?.id}`,
      );
    }
    for (const room of ROOMS) {
      const kept = await readRoom(server, room);
      const viewer = new ViewerClient(server.viewerUrl, room, { codec: 'msgpack', query: '?since=0' });
      await viewer.until(() => viewer.comments.length >= kept.length);
      const same = viewer.comments.every(({ id, text }, i) => kept[i]?.id === id && kept[i]?.text === text);
      if (!same || viewer.faults.length > 0) this.faults.push(`${room}: a viewer got something else, ${viewer.faults}`);
      await viewer.close();
    }
    const code = await server.stop();
    if (code !== 0) this.faults.push(`the last server ended with ${code}`);
  }

  /** Comes back to `busy`, or watches it from its beginning. */
  #watch(server: ServerProcess): ViewerClient {
    const viewer = new ViewerClient(server.viewerUrl, 'busy', { codec: 'deflate', query: `?since=${this.#heardSeq}` });
    viewer.socket.on('error', () => undefined);
    return viewer;
  }

  #hear(viewer: ViewerClient): void {
    this.#heard.push(...viewer.comments);
    this.faults.push(...viewer.faults.map((fault) => `a viewer that comes back: ${fault}`));
    if (viewer.messages.length > 0) this.#heardSeq = viewer.seq;
  }

  /** Every acknowledged comment is there, nothing is there twice or was never sent, and seq rises. */
  async #check(server: ServerProcess): Promise<void> {
    this.#before = new Map();
    for (const room of ROOMS) {
      const kept = await readRoom(server, room);
      const texts = new Map(kept.map(({ id, text }) => [`${room} ${id}`, text]));
      for (const [key, text] of this.#acked) {
        if (key.startsWith(`${room} `) && texts.get(key) !== text) this.faults.push(`${key} ${text} is lost`);
      }
      if (new Set(kept.map(({ text }) => text)).size < kept.length) this.faults.push(`${room} has a comment twice`);
      for (const { text } of kept) if (!this.#sent.has(text)) this.faults.push(`nobody sent ${text}`);
      const seqs = kept.map(({ id }) => Number.parseInt(id, 10));
      if (seqs.some((seq, i) => seq < (seqs[i - 1] ?? 0))) this.faults.push(`seq falls in ${room}`);
      this.#before.set(room, seqs.at(-1) ?? 0);
    }
  }

  #load(server: ServerProcess): Promise<void>[] {
    const posting = Array.from({ length: HTTP_SENDERS }, (_, i) =>
      this.#post(server, ROOMS[i % ROOMS.length] ?? 'a', i),
    );
    return [...posting, this.#send(server)];
  }

  /** Posts until the server is gone. */
  async #post(server: ServerProcess, room: string, sender: number): Promise<void> {
    for (let i = 0; ; i += 1) {
      const texts = Array.from({ length: COMMENTS_A_POST }, (_, k) => `${this.#rounds} http ${sender} ${i} ${k}`);
      for (const text of texts) this.#sent.add(text);
      try {
        const { body } = await server.post(
          room,
          texts.map((text) => ({ text })),
          '?wait=stored',
        );
        for (const [k, id] of (body.ids ?? []).entries()) if (id !== null) this.#ack(room, id, texts[k] ?? '');
      } catch (error) {
        // fetch throws a TypeError when the link breaks, and JSON a SyntaxError for half an answer: it was no ack.
        if (error instanceof TypeError || error instanceof SyntaxError) return;
        throw error;
      }
    }
  }

  /** Sends over a WebSocket until the server is gone. */
  async #send(server: ServerProcess): Promise<void> {
    const viewer = new ViewerClient(server.viewerUrl, 'busy');
    viewer.socket.on('error', () => undefined);
    const texts = new Map<string, string>();
    viewer.socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string; ref?: string; id?: string };
      if (message.type === 'ack') this.#ack('busy', message.id ?? '', texts.get(message.ref ?? '') ?? '');
    });
    await viewer.opened;
    const timer = setInterval(() => {
      const ref = String(texts.size);
      texts.set(ref, `${this.#rounds} socket ${ref}`);
      this.#sent.add(texts.get(ref) ?? '');
      viewer.send({ type: 'comment', ref, text: texts.get(ref) });
    }, 5);
    await viewer.closed;
    clearInterval(timer);
    this.faults.push(...viewer.faults);
  }

  #ack(room: string, id: string, text: string): void {
    const key = `${room} ${id}`;
    if (this.#acked.has(key)) this.faults.push(`${key} was acknowledged twice`);
    if (Number.parseInt(id, 10) <= (this.#before.get(room) ?? 0)) this.faults.push(`the seq of ${key} was used before`);
    this.#acked.set(key, text);
  }
}

/** All that is kept of a room, page by page. */
export async function readRoom(server: ServerProcess, room: string): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (let since = '0'; ; ) {
    const answer = await fetch(`${server.apiUrl}/rooms/${room}/comments?limit=1000&since=${since}`);
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    const page = (await answer.json()) as { comments: Kept[]; next: string; more: boolean };
    kept.push(...page.comments);
    if (!page.more) return kept;
    since = page.next;
  }
}
