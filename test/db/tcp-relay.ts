import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Stands between a client and a server on this machine, so that their connections can be cut. */
export class TcpRelay implements AsyncDisposable {
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  port = 0;

  private constructor(target: number) {
    this.#target = target;
  }

  static async start(target: number): Promise<TcpRelay> {
    const relay = new TcpRelay(target);
    await relay.listen();
    return relay;
  }

  /** The URL with the relay's port in place of the server's. */
  through(url: string): string {
    const relayed = new URL(url);
    relayed.port = String(this.port);
    return relayed.href;
  }

  /** Takes connections, on the same port each time. */
  async listen(): Promise<void> {
    const server = createServer((client) => this.#relay(client));
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
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cut();
  }

  #relay(client: Socket): void {
    const upstream = connect(this.#target, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
