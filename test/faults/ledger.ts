import pino from "pino";
import { DatabaseError } from "../../src/db/contract/database-error.ts";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import type { Dialect, Driver } from "../../src/db/contract/driver.ts";
import { openDatabase, type OpenOptions } from "../../src/db/open.ts";
import { createBlog } from "../db/blog-tables.ts";

/** What became of one write, as far as its client was told, and why: "refused: busy: Cannot query: …". */
export type Outcome = "acknowledged" | `unknown: ${string}` | `refused: ${string}`;

const POOL_SIZE = 4;

/** Opens a database with a log that can be read. */
export async function openLogged(
  url: string,
  options: Partial<OpenOptions> = {},
): Promise<{ readonly driver: Driver; readonly lines: string[] }> {
  const lines: string[] = [];
  const log = pino({ base: null }, { write: (line) => void lines.push(line) });
  const driver = await openDatabase({
    url: parseDatabaseUrl(url, "/"),
    poolSize: POOL_SIZE,
    connectTimeoutMs: 5000,
    echo: false,
    log,
    ...options,
  });
  return { driver, lines };
}

/** Writes rows, and keeps what each client was told of its own. */
export class Ledger {
  readonly outcomes = new Map<string, Outcome>();
  /** How long each write took, in ms. */
  readonly tookMs: number[] = [];
  readonly #tables: Awaited<ReturnType<typeof createBlog>>;
  #count = 0;

  private constructor(tables: Awaited<ReturnType<typeof createBlog>>) {
    this.#tables = tables;
  }

  static async create(driver: Driver): Promise<Ledger> {
    return new Ledger(await createBlog(driver));
  }

  get db() {
    return this.#tables.db;
  }

  /** Writes one row, alone or in a transaction with another. @returns what the client was told */
  async write(kind: "alone" | "transaction" = "alone"): Promise<Outcome> {
    const { db, authors } = this.#tables;
    this.#count += 1;
    const email = `${this.#count}@x`;
    const startedAt = performance.now();
    const outcome = await toOutcome(
      kind === "alone"
        ? db.insert(authors).values({ email })
        : db.transaction(async (tx) => {
            await tx.insert(authors).values({ email });
            await tx.insert(authors).values({ email: `also ${email}` });
          }),
    );
    this.tookMs.push(performance.now() - startedAt);
    this.outcomes.set(email, outcome);
    if (kind === "transaction") this.outcomes.set(`also ${email}`, outcome);
    return outcome;
  }

  /** Has all connections of the pool opened, and idle: none is on its way any more. */
  async settle(): Promise<void> {
    const all = Promise.withResolvers<void>();
    let held = 0;
    const hold = async (): Promise<void> => {
      held += 1;
      if (held === POOL_SIZE) all.resolve();
      await all.promise;
    };
    await Promise.all(Array.from({ length: POOL_SIZE }, () => this.db.transaction(hold)));
  }

  /** Lists what differs between what clients were told and what is there, by another connection. */
  async audit(driver: Driver): Promise<string[]> {
    const rows = await driver
      .toDatabase({})
      .select({ email: this.#tables.authors.email })
      .from(this.#tables.authors);
    const there = new Set(rows.map(({ email }) => email));
    const wrong: string[] = [];
    for (const [email, outcome] of this.outcomes) {
      if (outcome === "acknowledged" && !there.has(email))
        wrong.push(`${email} was acknowledged and is lost`);
      if (outcome.startsWith("refused") && there.has(email))
        wrong.push(`${email} is there, and was ${outcome}`);
      const twin = email.startsWith("also ") ? email.slice(5) : `also ${email}`;
      if (this.outcomes.has(twin) && there.has(email) !== there.has(twin))
        wrong.push(`${email} is half there`);
    }
    return wrong;
  }
}

async function toOutcome(write: PromiseLike<unknown>): Promise<Outcome> {
  try {
    await write;
    return "acknowledged";
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const { fault, message } = error;
    return fault === "outcome" ? `unknown: ${message}` : `refused: ${fault}: ${message}`;
  }
}

export const SERVERS = ["postgres", "mysql"] as const satisfies readonly Dialect[];
