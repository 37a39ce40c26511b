import { and, count, eq, inArray, isNull, sql } from "drizzle-orm";
import { claim } from "../database/claim.ts";
import { finish } from "../database/finish.ts";
import { heldBy, inPieces } from "../database/ground.ts";
import type { ClaimedJob } from "../../contract/records.ts";
import { isAbsence } from "./exchange.ts";
import { type Ground, REDIS } from "./ground.ts";
import { hand, isKept } from "./insert.ts";
import type { HandedJob } from "./jobs.ts";

/** How many rows are handed over at once. */
const MOST = 200;
const TIMEOUT_MS = 10_000;

interface Row {
  readonly handed: HandedJob;
  readonly claimed: ClaimedJob;
}

/**
 * Hands jobs over that are rows of the database: what a transaction has committed, what other jobs depend on, and what Redis
 * couldn't take. A row that is handed over belongs to nobody else until the end of a lease; it is deleted, or marked as
 * handed over, once Redis has the job, whose id is the row's: whatever ends in between is done again by some instance, and
 * comes to the same.
 */
export class Outbox {
  readonly #ground: Ground;
  readonly #onHanded: () => void;
  readonly #handing = new Set<string>();
  #running: Promise<void> | null = null;
  #isWanted = false;
  #isOpen = false;
  #isFailing = false;

  constructor(ground: Ground, onHanded: () => void) {
    this.#ground = ground;
    this.#onHanded = onHanded;
  }

  /** Ids of the rows that this process hands over now. */
  get handing(): readonly string[] {
    return [...this.#handing];
  }

  open(): void {
    this.#isOpen = true;
  }

  /** There may be rows. */
  kick(): void {
    if (!this.#isOpen) return;
    this.#isWanted = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      if (this.#isWanted) this.kick();
    });
  }

  /** Ends once what is under way has ended. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#isWanted = false;
    try {
      for (let isFull = true; isFull && this.#isOpen;) {
        const handed = await this.#handSome(); // oxlint-disable-line no-await-in-loop -- one piece after another
        if (handed > 0) this.#onHanded();
        isFull = handed >= MOST;
      }
      this.#isFailing = false;
    } catch (error) {
      if (isAbsence(error)) return; // they wait
      if (!this.#isFailing)
        this.#ground.log.error({ err: error }, "jobs can't be handed to Redis; tried again");
      this.#isFailing = true;
    }
  }

  async #handSome(): Promise<number> {
    const { connection, database } = this.#ground;
    const { jobs } = database.tables;
    const names = await database.db
      .select({ name: jobs.name, lanes: count(jobs.lane) })
      .from(jobs)
      .where(eq(jobs.state, "waiting"))
      .groupBy(jobs.name);
    if (names.length === 0) return 0;
    // While Redis is away they are left where they are.
    await connection.run((client) => client.send("PING"));
    const rows = await this.#claim(names);
    if (rows.length === 0) return 0;
    for (const { handed } of rows) this.#handing.add(handed.id);
    try {
      await connection.run(
        (client) =>
          hand(
            client,
            rows.map(({ handed }) => handed),
          ),
        {
          timeoutMs: TIMEOUT_MS,
        },
      );
      await this.#settle(rows);
    } catch (error) {
      await this.#giveBack(rows);
      throw error;
    } finally {
      this.#handing.clear();
    }
    return rows.length;
  }

  async #claim(names: readonly { readonly name: string; readonly lanes: number }[]): Promise<Row[]> {
    const { database } = this.#ground;
    const { jobs } = database.tables;
    const wanted = names.map(({ name, lanes }) => ({
      name,
      hasLanes: lanes > 0,
      // Redis counts these, when they start.
      concurrency: null,
      rate: null,
      others: [],
    }));
    return database.db.transaction(
      async (tx) => {
        const taken = await claim(database, tx, { worker: REDIS, wanted, places: MOST });
        const claimed = new Map(taken.jobs.map((job) => [job.id, job]));
        const found = await tx
          .select()
          .from(jobs)
          .where(inArray(jobs.id, [...claimed.keys()]))
          .orderBy(jobs.rank, jobs.id);
        return found.map((row) => {
          const job = claimed.get(row.id) as ClaimedJob;
          const links = {
            uniqueHash: row.unique_hash,
            lane: row.lane,
            batchId: row.batch_id,
            awaitsId: row.awaits_id,
            nextId: row.next_id,
          };
          const handed = {
            id: row.id,
            name: row.name,
            payload: row.payload,
            rank: row.rank,
            delayMs: 0,
            attempt: job.attempt - 1,
            version: row.version,
            isKept: isKept(links),
            awaitsId: row.awaits_id,
            createdAt: row.created_at.getTime(),
          };
          return { handed, claimed: job };
        });
      },
      { isolation: "read committed", retries: 5 },
    );
  }

  /** Redis has them. */
  async #settle(rows: readonly Row[]): Promise<void> {
    const { database } = this.#ground;
    const { jobs } = database.tables;
    const { kept = [], plain = [] } = Object.groupBy(rows, ({ handed }) =>
      handed.isKept ? "kept" : "plain",
    );
    const toIds = (some: readonly Row[]): string[] => some.map(({ handed }) => handed.id);
    await database.db.transaction(async (tx) => {
      for (const piece of inPieces(toIds(plain))) {
        // oxlint-disable-next-line no-await-in-loop -- one connection
        await tx.delete(jobs).where(heldBy(database, REDIS, piece));
      }
      for (const piece of inPieces(toIds(kept))) {
        // oxlint-disable-next-line no-await-in-loop -- one connection
        await tx
          .update(jobs)
          .set({ due_at: null })
          .where(heldBy(database, REDIS, piece));
      }
    });
  }

  async #giveBack(rows: readonly Row[]): Promise<void> {
    const { database, log } = this.#ground;
    const outcomes = rows.map(({ claimed }) => ({ job: claimed, as: "returned" as const, inMs: 0 }));
    try {
      await database.db.transaction((tx) => finish(database, tx, REDIS, outcomes));
    } catch (error) {
      log.warn(
        { err: error },
        "jobs that couldn't be handed to Redis are given back at the end of their lease",
      );
    }
  }
}

/**
 * Has jobs handed over again whose rows say that Redis has them, where it has lost its data; returns how many. One that has
 * ended is noted so in its row before Redis forgets it.
 */
export async function recoverLost({ connection, database }: Ground): Promise<number> {
  const { jobs } = database.tables;
  const handed = and(eq(jobs.state, "running"), eq(jobs.worker, REDIS), isNull(jobs.due_at));
  const rows = await database.db.select({ id: jobs.id, name: jobs.name }).from(jobs).where(handed);
  let lost = 0;
  for (const piece of inPieces(rows)) {
    /* oxlint-disable no-await-in-loop -- one piece after another */
    const present = await connection.run((client) =>
      Promise.all(piece.map(({ id, name }) => client.send("EXISTS", client.queue(name).toKey(id)))),
    );
    const gone = piece.filter((_, at) => Number(present[at]) === 0).map(({ id }) => id);
    if (gone.length === 0) continue;
    const { rowsAffected } = await database.db
      .update(jobs)
      .set({ state: "waiting", worker: null, held_lane: null, lost: sql`${jobs.lost} + 1` })
      .where(and(inArray(jobs.id, gone), handed));
    lost += rowsAffected;
    /* oxlint-enable no-await-in-loop */
  }
  return lost;
}
