import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What becomes of a piece of the stream on its way. */
export type Fate =
  | { readonly kind: 'pass'; readonly delay: number }
  /** So many of its bytes come through, and then the link is cut. */
  | { readonly kind: 'cut'; readonly after: number }
  /** It is missing, and what follows comes through. */
  | { readonly kind: 'lose' };

/** A TCP proxy before a server, for links that are worse than those of this machine. */
export class LinkProxy {
  readonly #server: Server;
  readonly #links = new Set<Socket>();
  /** Decides about every piece that the server sends. */
  fate: (piece: Buffer) => Fate = () => ({ kind: 'pass', delay: 0 });
  /** While true nothing comes through either way, and nobody is told. */
  swallow = false;
  /** Links that were opened. */
  opened = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target `ws://HOST:PORT` */
  static async before(target: string): Promise<LinkProxy> {
    const { hostname, port } = new URL(target);
    const server = createServer();
    const proxy = new LinkProxy(server);
    server.on('connection', (near) => proxy.#link(near, connect(Number(port), hostname)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts every link. */
  cut(): void {
    for (const socket of this.#links) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #link(near: Socket, far: Socket): void {
    this.opened += 1;
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      this.#links.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        this.#links.delete(socket);
        end();
      });
    }
    near.on('data', (piece) => {
      if (!this.swallow) far.write(piece);
    });
    let order = Promise.resolve();
    far.on('data', (piece) => {
      if (this.swallow) return;
      const fate = this.fate(piece);
      order = order.then(() => deliver(near, piece, fate, end));
    });
  }
}

/** Pieces of one link come through one after the other, however long each is held up. */
async function deliver(near: Socket, piece: Buffer, fate: Fate, end: () => void): Promise<void> {
  if (fate.kind === 'lose' || near.destroyed) return;
  if (fate.kind === 'cut') {
    near.write(piece.subarray(0, fate.after), end);
    return;
  }
  if (fate.delay > 0) await new Promise((resolve) => setTimeout(resolve, fate.delay));
  if (!near.destroyed) near.write(piece);
}
