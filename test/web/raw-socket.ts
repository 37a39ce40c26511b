import { connect } from "node:net";

/** Bytes on a socket, for what `fetch` would never send. */
export class RawSocket implements Disposable {
  readonly #socket: ReturnType<typeof connect>;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<string>();
  #received = "";
  #waiting: (() => void)[] = [];

  /** @param url of the server, such as "http://127.0.0.1:8000" */
  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({ host: hostname, port: Number(port) });
    this.#socket.setEncoding("latin1");
    this.#socket.on("connect", () => this.#opened.resolve());
    this.#socket.on("data", (chunk: string) => {
      this.#received += chunk;
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.#socket.on("error", () => {}); // a reset is followed by "close"
    this.#socket.on("close", () => {
      this.#opened.resolve();
      this.#closed.resolve(this.#received);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  /** Everything received so far. */
  get received(): string {
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#socket.closed;
  }

  async write(text: string): Promise<void> {
    await this.#opened.promise;
    this.#socket.write(text, "latin1");
  }

  /** Resolves with everything received once it matches; throws when the server closes before. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#received)) {
      if (this.#socket.closed) throw new Error(`Closed before ${String(pattern)}: ${this.#received}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
    }
    return this.#received;
  }

  /** Resolves with everything received once the server has closed the connection. */
  closed(): Promise<string> {
    return this.#closed.promise;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Sends one request as it stands, with "connection: close", and returns the response as it came. */
export async function exchange(url: string, head: string, body = ""): Promise<string> {
  using socket = new RawSocket(url);
  await socket.write(`${head.replaceAll("\n", "\r\n")}\r\nConnection: close\r\n\r\n${body}`);
  return await socket.closed();
}
