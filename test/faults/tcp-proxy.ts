import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of the bytes of a connection. */
type Fate = "pass" | "vanish";

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  fate: Fate;
}

/** A statement that is waited for. */
interface Watched {
  readonly pattern: RegExp;
  /** @returns whether it is waited for no more */
  readonly onSent: () => boolean;
  readonly onAnswer: ((pair: Pair) => void) | null;
}

/**
 * Stands between a client and a server on this machine, so that their connections can be cut, reset and delayed, and their
 * packets vanish.
 */
export class TcpProxy implements AsyncDisposable {
  readonly #target: number;
  readonly #pairs = new Set<Pair>();
  #server: Server | null = null;
  #delayMs = 0;
  /** What new connections come to. */
  #fate: Fate = "pass";
  #watched: Watched | null = null;
  #onConnect = (): void => {};
  port = 0;

  private constructor(target: number) {
    this.#target = target;
  }

  /** @param target the port of the server */
  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await proxy.listen();
    return proxy;
  }

  /** Stands in front of the server of a URL. */
  static before(url: string): Promise<TcpProxy> {
    return TcpProxy.start(Number(new URL(url).port));
  }

  /** The URL with the proxy's port in place of the server's. */
  through(url: string): string {
    const changed = new URL(url);
    changed.port = String(this.port);
    return changed.href;
  }

  /** Takes connections, on the same port each time. */
  async listen(): Promise<void> {
    const server = createServer((client) => this.#connect(client));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(this.port, "127.0.0.1", resolve);
    await promise;
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Cuts every connection and refuses new ones. */
  async cut(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server?.close(() => resolve());
    if (this.#server === null) resolve();
    this.#server = null;
    for (const { client, upstream } of this.#pairs) {
      client.destroy();
      upstream.destroy();
    }
    await promise;
  }

  /** Resets every connection; new ones work. */
  reset(): void {
    for (const pair of this.#pairs) resetBoth(pair);
  }

  /**
   * Lets every byte vanish, without a word, on the connections that there are.
   *
   * @param alsoNew whether those that are made from now on are taken and answered by silence, too
   */
  vanish({ alsoNew = false } = {}): void {
    for (const pair of this.#pairs) pair.fate = "vanish";
    this.#fate = alsoNew ? "vanish" : "pass";
  }

  /** Ends what `vanish()` began for new connections; what has lost bytes is of no use any more. */
  appear(): void {
    this.#fate = "pass";
  }

  /** Holds up what is sent from now on, in both directions. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /**
   * Lets the next statement with this text reach the server, and its answer not reach the client.
   *
   * @param by resets the connection, or lets the answer vanish
   * @returns resolves when the server has answered
   */
  loseAnswerTo(pattern: RegExp, by: "reset" | "vanish" = "reset"): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const onAnswer = (pair: Pair): void => {
      if (by === "reset") resetBoth(pair);
      else pair.fate = "vanish";
      resolve();
    };
    this.#watched = { pattern, onSent: () => true, onAnswer };
    return promise;
  }

  /** Resolves when the next statement with this text, or the `count`th from now on, is on its way to the server. */
  sees(pattern: RegExp, count = 1): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let left = count;
    const onSent = (): boolean => {
      left -= 1;
      if (left === 0) resolve();
      return left <= 0;
    };
    this.#watched = { pattern, onSent, onAnswer: null };
    return promise;
  }

  /** Resolves when the `count`th connection from now on is made. */
  connected(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let left = count;
    this.#onConnect = () => {
      left -= 1;
      if (left === 0) resolve();
    };
    return promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cut();
  }

  #connect(client: Socket): void {
    const upstream = connect(this.#target, "127.0.0.1");
    const pair: Pair = { client, upstream, fate: this.#fate };
    this.#pairs.add(pair);
    this.#onConnect();
    let onAnswer: ((pair: Pair) => void) | null = null;
    client.on("data", (chunk: Buffer) => {
      const watched = this.#watched;
      this.#send(pair, upstream, chunk);
      if (watched?.pattern.test(chunk.toString("latin1")) !== true) return;
      ({ onAnswer } = watched);
      if (watched.onSent()) this.#watched = null;
    });
    upstream.on("data", (chunk: Buffer) => {
      if (onAnswer === null) {
        this.#send(pair, client, chunk);
        return;
      }
      onAnswer(pair);
      onAnswer = null;
    });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on("error", () => this.#close(pair, to));
      from.on("close", () => this.#close(pair, to));
    }
  }

  #send(pair: Pair, to: Socket, chunk: Buffer): void {
    if (pair.fate === "vanish") return;
    if (this.#delayMs === 0) to.write(chunk);
    else setTimeout(() => pair.fate === "pass" && !to.destroyed && to.write(chunk), this.#delayMs);
  }

  /** The end of a connection is a packet as well, which vanishes with the others. */
  #close(pair: Pair, to: Socket): void {
    if (pair.fate === "vanish") return;
    this.#pairs.delete(pair);
    to.destroy();
  }
}

function resetBoth({ client, upstream }: Pair): void {
  client.resetAndDestroy();
  upstream.destroy();
}
