import { eq, lte } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { hashToken, makeToken } from "../keys/opaque-tokens.ts";
import type { SecretBox } from "../keys/secret-box.ts";
import { steadyNow } from "../people/steady-clock.ts";
import type { CoreStore } from "../people/store.ts";

/** What for something is kept: a sign-in that was begun, or a link that is yet to be agreed to. */
type Kept = "begun" | "link";

/**
 * What lasts minutes between two requests of a browser that are to follow each other, and what was answered already. Each is
 * taken once, on whichever instance, and the database has it encrypted.
 */
export class IdentityStates {
  readonly #store: CoreStore;
  readonly #box: SecretBox;
  readonly #now: () => number;

  /** @param now in ms since the epoch */
  constructor(store: CoreStore, box: SecretBox, now: () => number = Date.now) {
    this.#store = store;
    this.#box = box;
    this.#now = now;
  }

  /**
   * Uses something up that may be answered once; false where that was done before.
   *
   * @param db a transaction, where what is rolled back may be answered again
   */
  async useUp(
    what: string,
    lifetimeMs: number,
    db: Pick<Transaction, "insert"> = this.#store.db,
  ): Promise<boolean> {
    const { identityStates } = this.#store.tables;
    const expires_at = new Date(this.#now() + lifetimeMs);
    const { rowsAffected } = await db
      .insert(identityStates)
      .values({ id: hashToken(what), data: null, expires_at })
      .onConflictDoNothing({ target: identityStates.id });
    return rowsAffected === 1;
  }

  /** Keeps something for whoever shows the token that is returned. */
  async keep(kind: Kept, data: object, lifetimeMs: number): Promise<string> {
    const token = makeToken();
    const { db, tables } = this.#store;
    const id = hashToken(token);
    await db.insert(tables.identityStates).values({
      id,
      data: await this.#box.seal(JSON.stringify(data), `${kind} ${id}`),
      expires_at: new Date(this.#now() + lifetimeMs),
    });
    return token;
  }

  /** Returns what is kept for a token; null for nothing, or not any more. */
  async find<Data>(kind: Kept, token: string): Promise<Data | null> {
    const { db, tables } = this.#store;
    const { identityStates } = tables;
    const id = hashToken(token);
    const [row] = await db.select().from(identityStates).where(eq(identityStates.id, id));
    if (row === undefined || row.data === null || row.expires_at.getTime() <= this.#now()) return null;
    // What is kept for something else doesn't open.
    const text = await this.#box.open(row.data, `${kind} ${id}`).catch(() => null);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- sealed by `keep`, in this row
    return text === null ? null : (JSON.parse(text) as Data);
  }

  /** Ends what is kept for a token, within the transaction of what was done with it; false where somebody else has. */
  async end(tx: Transaction, token: string): Promise<boolean> {
    const { identityStates } = this.#store.tables;
    const { rowsAffected } = await tx.delete(identityStates).where(eq(identityStates.id, hashToken(token)));
    return rowsAffected === 1;
  }

  /** Deletes what is too old. */
  async purge(): Promise<void> {
    const { db, tables } = this.#store;
    // A clock that goes wrong for a minute deletes nothing.
    const before = new Date(Math.min(this.#now(), steadyNow()));
    await db.delete(tables.identityStates).where(lte(tables.identityStates.expires_at, before));
  }
}
