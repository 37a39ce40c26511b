import type { Logger } from "pino";
import { within } from "../cache/contract/within.ts";
import type { RedisConnection } from "../cache/redis/connection.ts";
import { RedisUnavailableError } from "../cache/redis/errors.ts";
import { outside } from "../db/transactions/ambient.ts";
import type { ChangeStream, Unsent } from "./stream.ts";

/** Says that what was published is lost: whoever reads it loads everything anew. */
export const EVERYTHING = "null";

export interface OutboxOptions {
  readonly connection: RedisConnection;
  readonly stream: ChangeStream;
  /** Who sends. */
  readonly instance: string;
  readonly log: Logger;
  /** How much waits while Redis is away. */
  readonly maxBytes: number;
}

const BATCH_BYTES = 256 * 1024;
const SEND_MS = 1000;
const RETRY_MS = 1000;

/**
 * Sends changes in their order, and keeps them while Redis is away: each is sent at least once while the process lives. What
 * is more than it may keep is given up, and all are told to load everything anew.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #unsent: Unsent[] = [];
  #bytes = 0;
  #sequence = 0;
  #sending: Promise<void> | null = null;
  /** Takes nothing more. */
  #isClosed = false;
  /** Sends nothing more. */
  #isOver = false;
  #hasFailed = false;
  readonly #closed = Promise.withResolvers<void>();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Whether Redis refuses what is sent, such as for want of memory. */
  get isRefused(): boolean {
    return this.#hasFailed;
  }

  add(text: string): void {
    if (this.#isClosed) return;
    if (this.#bytes + text.length > this.#options.maxBytes) {
      this.#options.log.warn(
        { changes: this.#unsent.length },
        "Redis is away for longer than changes can be kept: the other instances will load everything anew",
      );
      this.#unsent = [];
      this.#bytes = 0;
      this.#push(EVERYTHING);
    }
    this.#push(text);
    this.#sending ??= outside(() => this.#send());
  }

  /** Sends what is left where Redis is there; what can't be sent is lost with the process. Resolves with whether there is none. */
  async close(waitMs: number): Promise<boolean> {
    this.#isClosed = true;
    if (this.#sending !== null) await within(this.#sending, waitMs);
    this.#isOver = true;
    this.#closed.resolve();
    return this.#unsent.length === 0;
  }

  #push(text: string): void {
    this.#sequence += 1;
    this.#unsent.push({ sequence: this.#sequence, text });
    this.#bytes += text.length;
  }

  async #send(): Promise<void> {
    const { connection, stream, instance } = this.#options;
    while (this.#unsent.length > 0) {
      const batch = this.#nextBatch();
      try {
        // oxlint-disable-next-line no-await-in-loop -- in their order
        await connection.run((client) => stream.append(client, instance, batch), { timeoutMs: SEND_MS });
        this.#drop(batch.at(-1)?.sequence ?? 0);
        this.#hasFailed = false;
      } catch (error) {
        // oxlint-disable-next-line no-await-in-loop
        if (!(await this.#mayTryAgain(error))) return;
      }
    }
    this.#sending = null;
  }

  /** Resolves when it is worth another try; false where there is none. */
  async #mayTryAgain(failure: unknown): Promise<boolean> {
    if (failure instanceof RedisUnavailableError) {
      await Promise.race([this.#options.connection.whenConnected(), this.#closed.promise]);
    } else {
      if (!this.#hasFailed)
        this.#options.log.error({ err: failure }, "changes can't be published to Redis: trying again");
      this.#hasFailed = true;
      await within(this.#closed.promise, RETRY_MS);
    }
    return !this.#isOver;
  }

  #nextBatch(): Unsent[] {
    let bytes = 0;
    const end = this.#unsent.findIndex(({ text }) => (bytes += text.length) > BATCH_BYTES);
    return end === -1 ? [...this.#unsent] : this.#unsent.slice(0, Math.max(1, end));
  }

  /** Those that have been sent, unless they were given up meanwhile. */
  #drop(through: number): void {
    const left = this.#unsent.findIndex(({ sequence }) => sequence > through);
    const sent = this.#unsent.splice(0, left === -1 ? this.#unsent.length : left);
    for (const { text } of sent) this.#bytes -= text.length;
  }
}
