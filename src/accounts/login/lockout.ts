import { eq, sql } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { tooMany } from "./attempt-limits.ts";
import type { CoreStore } from "../people/store.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import type { Account } from "../people/users.ts";

const FREE_ATTEMPTS = 5;
const FIRST_LOCK_MS = 60_000;
const LONGEST_LOCK_MS = 3_600_000;
const MAX_UNKNOWN = 10_000;
/** No account has it. */
const NOBODY = 0;

/** A name that somebody tries to log in as, and its account where there is one. */
export interface Candidate {
  /** Normalized email, or what was given for one. */
  readonly name: string;
  readonly account: Pick<Account, "id" | "failed_attempts" | "locked_until"> | null;
}

/**
 * Locks a name after 5 wrong passwords or codes in a row: for a minute, then twice as long with each further one,
 * up to an hour. A success ends the count. Names without an account are locked in the same way, in memory, so that
 * a lock doesn't tell whether there is an account. Each instance counts these names by itself.
 */
export class Lockout {
  readonly #store: CoreStore;
  readonly #now: () => number;
  readonly #unknown = new Map<string, { failed: number; lockedUntil: number }>();
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(store: CoreStore, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Runs the attempts at one name one after another: guesses sent all at once are counted too. */
  async takeTurn<T>(name: string, attempt: () => Promise<T>): Promise<T> {
    const key = hashToken(name);
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(attempt, attempt);
    this.#turns.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  /** @throws AppError account_locked while the name is locked, whatever the password */
  assertOpen(candidate: Candidate): void {
    const { name, account } = candidate;
    const lockedUntil =
      account === null
        ? (this.#unknown.get(hashToken(name))?.lockedUntil ?? 0)
        : (account.locked_until?.getTime() ?? 0);
    const waitMs = lockedUntil - this.#now();
    if (waitMs > 0) throw tooMany("account_locked", "Too many wrong passwords or codes", waitMs);
  }

  /**
   * Counts a failure within a transaction, with the same statements whether or not there is an account: they
   * must take the same time.
   *
   * @returns whether the name is locked from now on
   */
  async countFailure(tx: Transaction, { name, account }: Candidate): Promise<boolean> {
    const { users } = this.#store.tables;
    const updated_at = sql`${users.updated_at}`; // stays: nobody has edited the account
    const isAccount = eq(users.id, account?.id ?? NOBODY);
    await tx
      .update(users)
      .set({ failed_attempts: sql`${users.failed_attempts} + 1`, updated_at })
      .where(isAccount);
    const [row] = await tx.select({ failed: users.failed_attempts }).from(users).where(isAccount);
    const failed = row?.failed ?? this.#countUnknown(name);
    if (failed < FREE_ATTEMPTS) return false;
    const lockMs = Math.min(FIRST_LOCK_MS * 2 ** (failed - FREE_ATTEMPTS), LONGEST_LOCK_MS);
    const lockedUntil = this.#now() + lockMs;
    if (account === null) this.#rememberUnknown(name, { failed, lockedUntil });
    await tx
      .update(users)
      .set({ locked_until: new Date(lockedUntil), updated_at })
      .where(isAccount);
    return true;
  }

  #countUnknown(name: string): number {
    const { failed = 0, lockedUntil = 0 } = this.#unknown.get(hashToken(name)) ?? {};
    this.#rememberUnknown(name, { failed: failed + 1, lockedUntil });
    return failed + 1;
  }

  #rememberUnknown(name: string, state: { failed: number; lockedUntil: number }): void {
    const key = hashToken(name);
    this.#unknown.delete(key);
    this.#unknown.set(key, state);
    const [first = key] = this.#unknown.keys();
    if (this.#unknown.size > MAX_UNKNOWN) this.#unknown.delete(first);
  }
}
