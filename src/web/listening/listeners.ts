import type { Certificate } from "./certificate.ts";

export type BunServer = Bun.Server<unknown>;

/** What answers at a socket, whichever that is. */
export interface Handlers {
  readonly fetch: (request: Request) => Answer | Promise<Answer>;
  readonly [option: string]: unknown;
}

export interface Place {
  readonly hostname: string;
  readonly port: number;
  /** Whether other processes listen there too. @default false */
  readonly isShared?: boolean;
  /** How many processes listen there, this one among them. @default 1 */
  readonly processes?: number;
  /** For TLS. @default null, which is HTTP without encryption */
  readonly certificate?: Certificate | null;
}

type Answer = Response | undefined;

const IDLE_TIMEOUT = 120; // seconds without a byte before Bun closes a connection
const FORSAKEN_MS = (IDLE_TIMEOUT + 10) * 1000; // then no connection is left that waits for its next request

/**
 * The socket that the server listens on, and those that it has listened on: Bun keeps a certificate for as long as a socket,
 * so that another certificate takes another one. Connections of the earlier sockets end with their next answer, WebSockets
 * and streams when they end by themselves.
 */
export class Listeners {
  readonly #handlers: Handlers;
  #place: Place | null = null;
  #current: BunServer | null = null;
  readonly #earlier = new Map<BunServer, Timer>();
  #renewal: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(handlers: Handlers) {
    this.#handlers = { ...handlers, idleTimeout: IDLE_TIMEOUT };
  }

  /** The one that takes new connections; null before there is one. */
  get current(): BunServer | null {
    return this.#current;
  }

  /** Whether it speaks HTTPS. */
  get isSecure(): boolean {
    return (this.#place?.certificate ?? null) !== null;
  }

  /** Those that have connections, the current one first. */
  get all(): readonly BunServer[] {
    return this.#current === null ? [] : [this.#current, ...this.#earlier.keys()];
  }

  /** @throws Error with the code of the system call, such as EADDRINUSE */
  open(place: Place): void {
    this.#current = this.#serve(place, place.isShared === true);
    this.#place = { ...place, port: this.#current.port ?? place.port };
  }

  /** Answers at a socket from now on that other code of this process has opened. */
  adopt(server: BunServer, place: Place): void {
    server.reload(this.#handlers as unknown as Bun.Serve.Options<unknown>);
    this.#current = server;
    this.#place = { ...place, port: server.port ?? place.port };
  }

  /**
   * Shows another certificate to whoever connects from now on. No connection is refused or broken on Linux; elsewhere none is
   * for as long as the port is listened on anew.
   */
  renew(certificate: Certificate): Promise<void> {
    this.#renewal = this.#renewal.catch(() => {}).then(() => this.#renew(certificate));
    return this.#renewal;
  }

  /** Lets no other process listen there any more, now that those which did have ended. */
  async keepPort(): Promise<void> {
    if (this.#place === null) return;
    this.#place = { ...this.#place, isShared: false };
    const { keepPort } = await import("../../native/listening-socket.ts");
    await keepPort(this.#place.port);
  }

  /** Takes no new connection; resolves once those are over that there are. @param isCut ends them at once */
  async stop(isCut = false): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#earlier.values()) clearTimeout(timer);
    await Promise.all(this.all.map((server) => server.stop(isCut)));
  }

  async #renew(certificate: Certificate): Promise<void> {
    const [old, place] = [this.#current, this.#place];
    if (old === null || place === null || this.#isStopped) return;
    const next = { ...place, certificate };
    const { findListening } = await import("../../native/listening-socket.ts");
    const sockets = await findListening(place.port);
    // oxlint-disable-next-line typescript/no-unnecessary-condition -- it may have been meanwhile
    if (this.#isStopped) return;
    if (sockets === null) {
      // Two can't listen there at once.
      this.#forsake(old);
      void this.#end(old);
      this.#take(next, place.isShared === true);
      return;
    }
    sockets.share(true);
    try {
      this.#take(next, true);
    } catch (error) {
      sockets.share(place.isShared === true);
      throw error;
    }
    this.#forsake(old);
    // Of all sockets of the port the new one is the last.
    await sockets.close(sockets.count - 1 + (place.processes ?? 1));
    if (place.isShared !== true) (await findListening(place.port))?.share(false);
  }

  #take(place: Place, isShared: boolean): void {
    this.#current = this.#serve(place, isShared);
    this.#place = place;
  }

  /** Has clients connect anew for their next request. */
  #forsake(server: BunServer): void {
    server.reload({
      ...this.#handlers,
      fetch: (request: Request) => {
        const answer = this.#handlers.fetch(request);
        return answer instanceof Promise ? answer.then(asLast) : asLast(answer);
      },
    } as unknown as Bun.Serve.Options<unknown>);
    this.#earlier.set(server, setTimeout(() => void this.#end(server), FORSAKEN_MS).unref());
  }

  async #end(server: BunServer): Promise<void> {
    clearTimeout(this.#earlier.get(server));
    await server.stop();
    this.#earlier.delete(server);
  }

  #serve({ hostname, port, certificate }: Place, reusePort: boolean): BunServer {
    const tls = certificate ? { tls: { cert: certificate.cert, key: certificate.key } } : {};
    // Bun's default of reusePort is true for a server without it, and two would share a port unnoticed.
    return Bun.serve({
      hostname,
      port,
      reusePort,
      ...tls,
      ...this.#handlers,
    } as unknown as Bun.Serve.Options<unknown>);
  }
}

function asLast(answer: Answer): Answer {
  answer?.headers.set("connection", "close");
  return answer;
}
