import { isFault } from "../contract/database-error.ts";
import type { SqliteChannel } from "./channel.ts";
import type { SqliteConnection } from "./connection/connection.ts";

const QUICK_MS = 0.25;

/**
 * Tells when something has been committed, by `PRAGMA data_version` of the reading connection, which every other
 * connection's commit changes: the connections of other processes, and the writing one of this process.
 *
 * SQLite locks the file for it, which takes 3 µs, a quarter of a request. So it is asked once a turn of the event
 * loop, and again after a write of this process: each request of a turn had arrived when the turn began, before any
 * later commit of another process. A turn that takes long is not relied upon.
 */
export class ChangeToken {
  readonly #reader: SqliteConnection;
  readonly #channel: SqliteChannel;
  #token: number | null = null;
  #writes = -1;
  #isOfThisTurn = false;
  #readAt = 0;

  constructor(reader: SqliteConnection, channel: SqliteChannel) {
    this.#reader = reader;
    this.#channel = channel;
  }

  /** Null while the file is locked. @throws DatabaseError */
  read(): number | null {
    const { writes } = this.#channel;
    const now = performance.now();
    if (this.#isOfThisTurn && this.#writes === writes && now - this.#readAt < QUICK_MS) return this.#token;
    if (!this.#isOfThisTurn) {
      this.#isOfThisTurn = true;
      setImmediate(this.#forget);
    }
    this.#writes = writes;
    this.#readAt = now;
    this.#token = this.#readVersion();
    return this.#token;
  }

  readonly #forget = (): void => {
    this.#isOfThisTurn = false;
  };

  #readVersion(): number | null {
    try {
      return Number(this.#reader.values("pragma data_version", [])[0]?.[0]);
    } catch (error) {
      if (isFault(error, "busy")) return null;
      throw error;
    }
  }
}
