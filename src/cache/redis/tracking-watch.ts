import type { RedisConnection } from "./connection.ts";

export interface WatchTimes {
  /** Between two looks. */
  readonly beatMs: number;
  /** How long Redis may take to tell. */
  readonly lateMs: number;
}

const TIMES: WatchTimes = { beatMs: 2000, lateMs: 1000 };

/**
 * Sees to it that Redis tells what changes: every two seconds it reads a key of its own and changes it. Where that isn't told
 * within a second, the connection is replaced, and with it what was read over it.
 */
export class TrackingWatch {
  readonly #connection: RedisConnection;
  readonly #key: string;
  readonly #times: WatchTimes;
  #timer: NodeJS.Timeout | null = null;
  #told: (() => void) | null = null;

  /** @param key that nobody else uses */
  constructor(connection: RedisConnection, key: string, times: WatchTimes = TIMES) {
    this.#connection = connection;
    this.#key = key;
    this.#times = times;
    connection.onInvalidate((changed) => {
      if (changed === key) this.#told?.();
    });
    // A new connection is asked anew.
    connection.onLoss(() => this.#told?.());
  }

  /** Watches from now on. */
  start(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => void this.#beat(), this.#times.beatMs);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  async #beat(): Promise<void> {
    if (!this.#connection.isConnected || this.#told !== null) return;
    const { promise: told, resolve } = Promise.withResolvers<boolean>();
    this.#told = () => resolve(true);
    try {
      await this.#connection.run((client) =>
        Promise.all([client.get(this.#key), client.set(this.#key, "1", { PX: 60_000 })]),
      );
    } catch {
      resolve(true); // the connection notices itself
    }
    const timer = setTimeout(() => resolve(false), this.#times.lateMs);
    timer.unref();
    const isTold = await told;
    clearTimeout(timer);
    this.#told = null;
    if (!isTold) this.#connection.renew("it doesn't tell what changes");
  }
}
