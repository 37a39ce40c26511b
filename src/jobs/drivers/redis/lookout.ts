import type { JobLookout, LookoutOptions } from "../../contract/backend.ts";
import { readNothing } from "./claim.ts";
import { isAbsence } from "./exchange.ts";
import { type Ground, REDIS } from "./ground.ts";
import { recoverLost, type Outbox } from "./outbox.ts";
import { readNames } from "./places.ts";
import { forgetOldSteps } from "./upkeep.ts";

/** What another process enqueues is found within this. */
const EVERY_MS = 1000;
const JITTER = 0.2;
/** So many times within a lease it is looked for those that are over; BullMQ wants to see each of them twice. */
const LOOKS = 4;
const UPKEEP_MS = 60_000;
const LOST_MS = 600_000;
const LONGEST_MS = 2 ** 31 - 1;

/** Looks, now and then, for what nobody of this process tells of: in Redis, and in the rows that are to be handed over. */
export class Lookout implements JobLookout {
  readonly #ground: Ground;
  readonly #options: LookoutOptions;
  readonly #outbox: Outbox;
  readonly #rows: JobLookout;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | null = null;
  #dueTimer: NodeJS.Timeout | null = null;
  #dueAt = Number.POSITIVE_INFINITY;
  #recoverAt = 0;
  #upkeepAt = performance.now() + UPKEEP_MS;
  /** When to look whether Redis has lost jobs: at once where the connection is a new one. */
  #lostAt = 0;
  #isStopped = false;
  #isFailing = false;

  constructor(ground: Ground, options: LookoutOptions, outbox: Outbox) {
    this.#ground = ground;
    this.#options = options;
    this.#outbox = outbox;
    ground.connection.onConnect(() => {
      this.#lostAt = 0;
    });
    this.#everyMs = Math.min(EVERY_MS, ground.leaseMs / LOOKS);
    this.#rows = ground.rows.createLookout({
      worker: REDIS,
      log: options.log,
      held: () => outbox.handing,
      wake: () => outbox.kick(),
    });
  }

  start(): void {
    this.#outbox.open();
    this.#rows.start();
    this.#outbox.kick();
    this.#plan(0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#rows.stop();
    clearTimeout(this.#timer ?? undefined);
    clearTimeout(this.#dueTimer ?? undefined);
  }

  expect(inMs: number): void {
    this.#rows.expect(inMs);
    this.expectInRedis(inMs);
  }

  /** A job that is in Redis is due at a moment of its own. */
  expectInRedis(inMs: number): void {
    const at = performance.now() + inMs;
    if (this.#isStopped || at >= this.#dueAt || inMs > LONGEST_MS) return;
    this.#dueAt = at;
    clearTimeout(this.#dueTimer ?? undefined);
    this.#dueTimer = setTimeout(
      () => {
        this.#dueAt = Number.POSITIVE_INFINITY;
        this.#options.wake();
      },
      Math.ceil(inMs) + 1,
    ).unref();
  }

  #plan(inMs: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => this.#plan(this.#everyMs * (1 - JITTER / 2 + Math.random() * JITTER)));
    }, inMs).unref();
  }

  async #look(): Promise<void> {
    this.#options.wake();
    try {
      const now = performance.now();
      if (now >= this.#recoverAt) {
        this.#recoverAt = now + this.#ground.leaseMs / LOOKS;
        await this.#recover();
      }
      if (now >= this.#upkeepAt) {
        this.#upkeepAt = now + UPKEEP_MS;
        await this.#keepUp();
      }
      if (now >= this.#lostAt) {
        this.#lostAt = now + LOST_MS;
        await this.#handAgain();
      }
      this.#isFailing = false;
    } catch (error) {
      if (isAbsence(error)) return;
      if (!this.#isFailing)
        this.#options.log.warn({ err: error }, "it can't be looked for lost jobs in Redis now; tried again");
      this.#isFailing = true;
    }
  }

  /** Gives jobs back to all whose lease is over. */
  async #recover(): Promise<void> {
    const { connection } = this.#ground;
    const { log } = this.#options;
    const names = await connection.run(readNames);
    const found = await Promise.all(
      names.map(async (name) => ({
        name,
        ids: await connection.run((client) =>
          client.queue(name).moveStalledJobsToWait().catch(readNothing(this.#ground, name)),
        ),
      })),
    );
    for (const { name, ids } of found) {
      for (const id of ids) {
        log.warn(
          { job: name, job_id: id },
          "the process that ran a job has ended without a word: it is run again",
        );
      }
    }
    if (found.some(({ ids }) => ids.length > 0)) this.#options.wake();
  }

  async #keepUp(): Promise<void> {
    const { connection, limits } = this.#ground;
    // Redis is told again what it may have lost meanwhile.
    limits.clear();
    await connection.run(async (client) => client.known.clear());
    await forgetOldSteps(this.#ground);
  }

  async #handAgain(): Promise<void> {
    const lost = await recoverLost(this.#ground);
    if (lost === 0) return;
    this.#options.log.warn(
      { jobs: lost },
      "Redis has lost jobs: those that the database knows are handed to it again",
    );
    this.#outbox.kick();
  }
}
