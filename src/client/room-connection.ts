import type { CodecName } from '../frames/codec.ts';
import type { BatchMessage, Gap, RefusedMessage, ServerMessage, Welcome } from '../frames/messages.ts';
import { Backoff, isObjection, PROVEN_MS } from './backoff.ts';
import { type ClientErrorCode, VolleyClientError } from './client-error.ts';
import { CommentIterator } from './comment-iterator.ts';
import type { ConnectSettings } from './connect-options.ts';
import { EventListeners, type Listener } from './event-listeners.ts';
import { askWhy, type HandshakeAnswer, type HandshakeReport } from './handshake-report.ts';
import { HistoryCut } from './history-cut.ts';
import { Link, type LinkEnd } from './link.ts';
import { type LiveBatch, type LiveComment, toLiveBatch } from './live-comment.ts';
import { type Ack, type OwnComment, PendingSends, type Refused } from './pending-sends.ts';
import { ResumeState, type Verdict } from './resume-state.ts';
import { listenToPage, STANDSTILL_MS, WakeWatch } from './wake-watch.ts';

/**
 * `connecting` until the first welcome, `live` with one, `stale` when nothing was heard for too long, `reconnecting`
 * whenever a link was lost, `closed` after `close()`.
 */
export type ConnectionState = 'connecting' | 'live' | 'stale' | 'reconnecting' | 'closed';

export interface RoomEvents {
  state: ConnectionState;
  /** Every link's first message. */
  welcome: Welcome;
  batch: LiveBatch;
  /** Each comment of a batch, after the batch. */
  comment: LiveComment;
  /** How many watch the room, when it has changed. */
  viewers: number;
  /** The ids of comments that were taken back. */
  recall: readonly string[];
  /** Batches that were missed for good. */
  gap: Gap;
  /** We read too slowly and messages were dropped: the link is opened anew to get them. */
  skipped: undefined;
  /** A refusal that belongs to no `send`. */
  refused: RefusedMessage;
  /** What came cannot be read or is more than is taken, so the link was ended. Another follows. */
  fault: VolleyClientError;
  /** Handshakes are refused again and again: what could be learned of why. */
  blocked: HandshakeReport;
}

/** So many refused handshakes in a row are told as `blocked`, and then each time their number has doubled. */
const FEW_REFUSED = 3;

/** An answer that cannot be seen may be that of a proxy whose server restarts; after so many it is taken for a refusal. */
const MANY_REFUSED = 6;

/** Comments sent and not answered; a server refuses more (docs/protocol.md, `BUSY`). */
const MOST_UNANSWERED = 256;

/** The server cuts a link on which a larger message comes (docs/protocol.md, Limits). */
const MOST_BYTES = 65_536;

/** What is taken next where a codec cannot be read. */
const SIMPLER: Record<CodecName, CodecName> = { deflate: 'msgpack', msgpack: 'json', json: 'json' };

/** The close code of a link that ended without one; also what stands for an end of our own. */
const ABNORMAL = 1006;

/** One room, watched over as many links as it takes. Made by `connect`. */
export class RoomConnection implements AsyncIterable<LiveComment> {
  readonly #settings: ConnectSettings;
  readonly #listeners = new EventListeners<RoomEvents>();
  readonly #iterators = new Set<CommentIterator>();
  readonly #resume: ResumeState;
  readonly #backoff: Backoff;
  readonly #sends = new PendingSends();
  readonly #history: HistoryCut;
  readonly #wake: WakeWatch;
  readonly #stopListening: () => void;
  #state: ConnectionState = 'connecting';
  #codec: CodecName;
  #link: Link | undefined;
  #welcomed = false;
  /** Whether this link has brought anything new: only then may the next one follow at once. */
  #progressed = false;
  #cancelProof: (() => void) | undefined;
  #wasOffline = false;
  /** Handshakes that were refused in a row. */
  #refused = 0;
  #cancelInquiry: (() => void) | undefined;
  /** The pause before the next link, where there is one. */
  #pause: { readonly cancel: () => void; readonly demanded: boolean } | undefined;
  #refs = 0;
  #viewers = 0;
  #duplicates = 0;
  #overflow = 0;

  constructor(settings: ConnectSettings) {
    this.#settings = settings;
    this.#codec = settings.codec;
    this.#resume = new ResumeState(settings);
    this.#history = new HistoryCut(settings.history);
    this.#backoff = new Backoff(settings.backoff, settings.random, settings.clock);
    this.#open();
    this.#wake = new WakeWatch(settings.clock, () => this.#wakeUp());
    this.#stopListening = listenToPage({
      offline: () => {
        this.#wasOffline = true;
      },
      online: () => this.#backOnline(),
      visible: () => this.#becomeVisible(),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The last batch that was taken, to be given as `since` to another connection; undefined before there is any. */
  get last(): number | undefined {
    return this.#resume.last;
  }

  /** How many watch the room, as last heard. */
  get viewers(): number {
    return this.#viewers;
  }

  /** The codec in use: what was asked for, or a simpler one. */
  get codec(): CodecName {
    return this.#codec;
  }

  /** Batches that came although they had come before, and were dropped. */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** Comments that loops lost because 10,000 were waiting. */
  get overflow(): number {
    return this.#overflow;
  }

  /** Calls `listener` at every such event, until what it gives back is called. A listener that throws stops nothing. */
  on<Name extends keyof RoomEvents>(name: Name, listener: Listener<RoomEvents[Name]>): () => void {
    return this.#listeners.on(name, listener);
  }

  /** The comments from now on. A loop that is left ends itself only; `close()` ends all. */
  [Symbol.asyncIterator](): CommentIterator {
    const iterator = new CommentIterator((ended) => this.#iterators.delete(ended));
    if (this.#state === 'closed') iterator.end();
    else this.#iterators.add(iterator);
    return iterator;
  }

  /**
   * Sends a comment; gives the ack once the store holds it, or the refusal. Never sent again by itself.
   * Rejects with VolleyClientError NOT_CONNECTED (not sent), CONNECTION_LOST (stored or not), CLOSED.
   */
  async send({ text, mode, color, size, extra, name }: OwnComment): Promise<Ack | Refused> {
    const link = this.#link;
    if (this.#state === 'closed') throw new VolleyClientError('CLOSED', 'the connection was closed');
    if (!this.#welcomed || !link?.open) throw new VolleyClientError('NOT_CONNECTED', 'there is no link to send on');
    this.#refs += 1;
    const ref = this.#refs.toString(36);
    const message = JSON.stringify({ type: 'comment', ref, text, mode, color, size, extra, name });
    const bytes = new TextEncoder().encode(message).length;
    if (this.#sends.count >= MOST_UNANSWERED)
      return { refused: 'BUSY', message: 'too many comments wait for an answer' };
    if (bytes > MOST_BYTES) return { refused: 'TOO_LARGE', message: 'larger than any server takes' };
    link.send(message);
    return this.#sends.add(ref, bytes);
  }

  /** Ends the connection for good, and every loop over it. May be called twice. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#stopListening();
    this.#wake.stop();
    this.#cancelInquiry?.();
    this.#history.forget();
    this.#leaveLink('CLOSED', 'the connection was closed');
    for (const iterator of this.#iterators) iterator.end();
    this.#become('closed');
  }

  #open(): void {
    this.#leaveLink('CONNECTION_LOST', 'the link was lost before the answer');
    const { WebSocket, clock, staleAfter, maxMessage } = this.#settings;
    this.#link = new Link(
      { url: this.#address(), codec: this.#codec, WebSocket, clock, staleAfter, maxMessage },
      { message: (message) => this.#take(message), ended: (end) => this.#lost(end) },
    );
    if (this.#state !== 'connecting') this.#become('reconnecting');
  }

  #address(): string {
    const address = new URL(this.#settings.url);
    for (const [name, value] of Object.entries(this.#resume.start())) address.searchParams.set(name, String(value));
    return address.href;
  }

  #leaveLink(code: ClientErrorCode, detail: string): void {
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#cancelProof?.();
    this.#link?.drop();
    this.#link = undefined;
    this.#welcomed = false;
    this.#progressed = false;
    this.#sends.rejectAll(code, detail);
  }

  #take(message: ServerMessage): void {
    if (message.type === 'welcome') this.#welcome(message);
    else if (!this.#welcomed) this.#startOver();
    else if (message.type === 'batch') this.#takeBatch(message);
    else if (message.type === 'presence') this.#takePresence(message);
    else if (message.type === 'recall') this.#takeRecall(message.ids);
    else if (message.type === 'ack') this.#sends.acknowledge(message);
    else if (message.type === 'refused') {
      if (!this.#sends.refuse(message)) this.#emit('refused', message);
    } else {
      this.#emit('skipped', undefined);
      // Answers may be among what was dropped, so nothing on this link can be counted on. Where one viewer is skipped
      // others are too: coming back all at once would be more load when there is too much.
      this.#startOver(this.#backoff.spread());
    }
  }

  #welcome(welcome: Welcome): void {
    this.#welcomed = true;
    this.#getsIn();
    this.#cancelProof?.();
    this.#cancelProof = this.#settings.clock.after(PROVEN_MS, () => this.#backoff.reset());
    const gap = this.#resume.welcome(welcome);
    if (this.#resume.last === undefined) this.#history.begin(welcome.seq);
    if (welcome.reset) this.#history.forget();
    this.#become('live');
    this.#emit('welcome', welcome);
    if (gap !== undefined) this.#tellGap(gap);
    this.#count(welcome.viewers);
  }

  #takeBatch(message: BatchMessage): void {
    const verdict = this.#resume.batch(message);
    if (verdict.kind === 'drop') this.#duplicates += 1;
    if (!this.#follow(verdict)) return;
    const batch = toLiveBatch(message, verdict.after);
    this.#count(batch.viewers);
    this.#tell(this.#history.take(batch));
  }

  #tell(batches: readonly LiveBatch[]): void {
    for (const batch of batches) {
      this.#emit('batch', batch);
      for (const comment of batch.comments) {
        this.#emit('comment', comment);
        for (const iterator of this.#iterators) if (iterator.push(comment)) this.#overflow += 1;
      }
    }
  }

  /** What came before the gap is told before it. */
  #tellGap(gap: Gap): void {
    this.#tell(this.#history.release(gap.to));
    this.#emit('gap', gap);
  }

  #takeRecall(ids: readonly string[]): void {
    this.#history.recall(ids);
    this.#emit('recall', ids);
  }

  #takePresence({ seq, viewers }: { seq: number; viewers: number }): void {
    this.#follow(this.#resume.presence(seq));
    this.#count(viewers);
  }

  /** Does what a verdict asks for; true where there is something to take. */
  #follow(verdict: Verdict): verdict is Extract<Verdict, { kind: 'take' }> {
    if (verdict.kind === 'resume') this.#startOver();
    if (verdict.kind !== 'take') return false;
    this.#progressed = true;
    if (verdict.gap !== undefined) this.#tellGap(verdict.gap);
    return true;
  }

  #count(viewers: number): void {
    if (viewers === this.#viewers) return;
    this.#viewers = viewers;
    this.#emit('viewers', viewers);
  }

  /** Opens the next link after `ms`, or after a longer pause: where this one has brought nothing new, or too many had to. */
  #startOver(ms = 0): void {
    if (this.#state === 'closed') return;
    if (!this.#progressed) this.#retryAfter(this.#backoff.pauseAfter(ABNORMAL), 'reconnecting');
    else if (!this.#backoff.takePrompt()) {
      this.#fail(new VolleyClientError('TOO_MANY_LINKS', 'one link after the other leaves something out'));
    } else if (ms === 0) this.#open();
    else this.#retryAfter(ms, 'reconnecting');
  }

  #lost(end: LinkEnd): void {
    if (end.kind === 'closed') {
      if (end.opened) this.#getsIn();
      else this.#refuse();
      this.#retryAfter(this.#backoff.pauseAfter(end.code), 'reconnecting', isObjection(end.code));
    } else if (end.kind === 'stale') {
      this.#retryAfter(this.#backoff.pauseAfter(ABNORMAL), this.#state === 'live' ? 'stale' : 'reconnecting');
    } else if (end.error.code === 'UNREADABLE') {
      const simpler = SIMPLER[this.#codec];
      const pause = simpler === this.#codec ? this.#settings.backoff.most : 0;
      this.#codec = simpler;
      this.#retryAfter(pause, 'reconnecting');
      this.#emit('fault', end.error);
    } else this.#fail(end.error);
  }

  /** The server sends too much, one way or the other. */
  #fail(error: VolleyClientError): void {
    this.#retryAfter(this.#backoff.pauseAfter(ABNORMAL), 'reconnecting');
    this.#emit('fault', error);
  }

  #getsIn(): void {
    this.#refused = 0;
    this.#backoff.refused = false;
    this.#cancelInquiry?.();
    this.#cancelInquiry = undefined;
  }

  /** A handshake was refused. After a few, asks why; the answer is told, and slows the attempts if there is a server. */
  #refuse(): void {
    this.#refused += 1;
    const attempts = this.#refused;
    if (attempts % FEW_REFUSED !== 0 || !isPowerOfTwo(attempts / FEW_REFUSED)) return;
    const { fetch, clock } = this.#settings;
    this.#cancelInquiry?.();
    this.#cancelInquiry = askWhy(this.#address(), fetch, clock, (answer) => {
      this.#backoff.refused = isRefusal(answer, attempts);
      this.#emit('blocked', { attempts, ...answer });
    });
  }

  /** @param demanded the other side wants this pause, so that nothing here may cut it short */
  #retryAfter(ms: number, state: ConnectionState, demanded = false): void {
    this.#leaveLink('CONNECTION_LOST', 'the link was lost before the answer');
    this.#pause = { cancel: this.#settings.clock.after(ms, () => this.#open()), demanded };
    this.#become(state);
  }

  /** A link that was open while the network was away may be dead without knowing it: resuming is cheap and exact. */
  #backOnline(): void {
    if (this.#wasOffline && this.#pause === undefined) this.#replace();
    else this.#becomeVisible();
    this.#wasOffline = false;
  }

  /** Timers that stood still may have missed what else they would have seen, and what was sent meanwhile is lost. */
  #becomeVisible(): void {
    const { standstill, asleep } = this.#wake.look();
    const silence = this.#link?.silence ?? 0;
    if (this.#pause !== undefined) this.#cutShort();
    else if (asleep > STANDSTILL_MS || Math.min(standstill, silence) > STANDSTILL_MS) this.#replace();
    else this.#link?.check();
  }

  /** The machine has slept: the link is as good as dead, and a pause as good as over. */
  #wakeUp(): void {
    this.#backoff.reset();
    if (this.#pause !== undefined) this.#cutShort();
    else this.#replace();
  }

  /** Takes another link for one that may be dead. */
  #replace(): void {
    if (this.#backoff.takePrompt()) this.#open();
    else this.#link?.check();
  }

  #cutShort(): void {
    if (this.#pause?.demanded === false && this.#backoff.takePrompt()) this.#open();
  }

  /** Listeners may close the connection at any event: what would follow is not told any more. */
  #emit<Name extends keyof RoomEvents>(name: Name, event: RoomEvents[Name]): void {
    if (this.#state !== 'closed') this.#listeners.emit(name, event);
  }

  #become(state: ConnectionState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#listeners.emit('state', state);
  }
}

function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0;
}

/** 5xx is what a proxy answers for a server that is away, as it is in a restart: then coming back soon is right. */
function isRefusal({ answer, status = 0 }: HandshakeAnswer, attempts: number): boolean {
  return answer === 'read' ? status < 500 : answer === 'hidden' && attempts >= MANY_REFUSED;
}
