import postgres from "postgres";
import { OpenWork } from "../server/open-work.ts";

/** postgres.js's pool, and what runs on it. */
interface Generation {
  readonly client: postgres.Sql;
  running: number;
  isRetired: boolean;
}

const END_SECONDS = 5;

/**
 * A pool that recovers. After a connection was lost, postgres.js 3.4.9 may keep its place in the pool and fail
 * every query that comes there: its unsent bytes stay in the way of the next start. So the pool is replaced, and
 * the old one ended once its queries are done.
 *
 * It hands out no more work than there are connections. postgres.js itself sends up to 100 queries ahead on one:
 * they wait for a slow one although others are free, and a transaction among them fails.
 *
 * @see https://github.com/porsager/postgres/issues/1066
 */
export class PostgresPool {
  readonly #settings: postgres.Options<never>;
  readonly #work = new OpenWork();
  readonly #waiting: (() => void)[] = [];
  #free: number;
  #current: Generation;
  #closed: Promise<void> | null = null;

  constructor(settings: postgres.Options<never>, size: number) {
    this.#settings = { ...settings, max: size };
    this.#free = size;
    this.#current = this.#create();
  }

  /**
   * Runs `work` on the pool.
   *
   * @param isLost tells from an error whether a connection was lost
   */
  use<T>(work: (client: postgres.Sql) => Promise<T>, isLost: (error: unknown) => boolean): Promise<T> {
    return this.#work.run(async () => {
      await this.#take();
      const generation = this.#current;
      generation.running++;
      try {
        return await work(generation.client);
      } catch (error) {
        if (isLost(error)) this.#retire(generation);
        throw error;
      } finally {
        generation.running--;
        this.#endIfDone(generation);
        this.#giveBack();
      }
    });
  }

  /** Lets what is under way finish, for at most `timeoutMs`, and closes every connection. */
  close(timeoutMs: number): Promise<void> {
    this.#closed ??= this.#work
      .close(timeoutMs)
      .then(() => this.#current.client.end({ timeout: END_SECONDS }));
    return this.#closed;
  }

  async #take(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }

  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  #create(): Generation {
    return { client: postgres(this.#settings), running: 0, isRetired: false };
  }

  #retire(generation: Generation): void {
    generation.isRetired = true;
    if (this.#current === generation) this.#current = this.#create();
  }

  #endIfDone({ client, running, isRetired }: Generation): void {
    if (isRetired && running === 0) void client.end({ timeout: END_SECONDS }).catch(() => {});
  }
}
