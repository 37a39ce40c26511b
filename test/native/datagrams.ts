import { compileC } from "../../src/native/compile.ts";

const CODE = `
extern int socket(int family, int type, int protocol);
extern int bind(int file, const void *address, unsigned int size);
extern long recv(int file, void *bytes, unsigned long size, int flags);
extern int close(int file);
int listen_at(const void *address, int size) {
  int file = socket(1, 2, 0);
  return bind(file, address, size) == 0 ? file : -1;
}
int take(int file, void *bytes, int size) { return recv(file, bytes, size, 0x40); }
int leave(int file) { return close(file); }
`;
const LOOK_MS = 20;

/** A socket that datagrams are sent to, as a service manager has one: what neither Bun nor Node can open. */
export class DatagramSocket implements Disposable {
  /** Each datagram so far, as text. */
  readonly received: string[] = [];
  readonly #timer: Timer;
  readonly #close: () => void;
  #waiting: (() => void)[] = [];

  private constructor(take: () => string | null, close: () => void) {
    this.#close = close;
    this.#timer = setInterval(() => {
      for (let text = take(); text !== null; text = take()) this.received.push(text);
      for (const wake of this.#waiting.splice(0)) wake();
    }, LOOK_MS);
  }

  /** @param name a path, or an abstract name that begins with "@" */
  static async open(name: string): Promise<DatagramSocket> {
    const { functions, addressOf } = await compileC(CODE, {
      listen_at: { args: ["ptr", "int"], returns: "int" },
      take: { args: ["int", "ptr", "int"], returns: "int" },
      leave: { args: ["int"], returns: "int" },
    });
    const address = new TextEncoder().encode(`\u0001\u0000${name.replace(/^@/, "\u0000")}`);
    const file = functions.listen_at(addressOf(address), address.length);
    if (file < 0) throw new Error(`Cannot open ${name} for datagrams`);
    const bytes = new Uint8Array(4096);
    const take = (): string | null => {
      const size = functions.take(file, addressOf(bytes), bytes.length);
      return size < 0 ? null : new TextDecoder().decode(bytes.subarray(0, size));
    };
    return new DatagramSocket(take, () => functions.leave(file));
  }

  /** Resolves with the first datagram from the `from`-th on that has a line. */
  async waitFor(line: string, from = 0): Promise<string> {
    for (;;) {
      const found = this.received.slice(from).find((text) => text.split("\n").includes(line));
      if (found !== undefined) return found;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await promise;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#close();
  }
}
