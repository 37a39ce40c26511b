import { and, eq, inArray, isNull, lt } from "drizzle-orm";
import type { Database, Transaction } from "../../db/contract/database.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import { steadyNow } from "../people/steady-clock.ts";
import type { CoreStore } from "../people/store.ts";
import { toAddressKey } from "../../web/clients/site.ts";
import { tooMany } from "./attempt-limits.ts";

/** What is tried: a wrong code says that the password was right. */
export type Attempted = "password" | "code";

/** Somebody who tries to log in. */
export interface Candidate {
  /** Normalized email, or what was given for one. */
  readonly name: string;
  /** Null for a name without an account. */
  readonly account: { readonly id: number } | null;
  /** Where from. */
  readonly ipAddress: string;
}

export interface LockoutOptions {
  readonly store: CoreStore;
  /** @default steadyNow */
  readonly now?: () => number;
  /** Resolves after so many ms. @default Bun.sleep */
  readonly wait?: (ms: number) => Promise<void>;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Wrong ones from one address that cost nothing, and then how long it is locked for. */
const FREE_ATTEMPTS = 5;
const FIRST_LOCK_MS = MINUTE_MS;
const LONGEST_LOCK_MS = 15 * MINUTE_MS;
/** One failure from an address is forgotten in so long: one an hour never locks anybody. */
const FORGET_MS = 30 * MINUTE_MS;
/** Longer than this nobody is kept waiting: they are told to come back. */
const LONGEST_WAIT_MS = 30_000;
const LONGEST_GAP_MS = 5 * MINUTE_MS;
const EVERYWHERE = "";
const NOBODY = 0;
const MAX_NAMES = 10_000;

/** How attempts at one account from unknown addresses are slowed, all of them together. */
interface Bar {
  /** How long until one failure is forgotten. */
  readonly forgetMs: number;
  /** From so many failures on, attempts are so far apart. */
  readonly gaps: readonly { readonly from: number; readonly gapMs: number }[];
}

const BARS: Readonly<Record<Attempted, Bar>> = {
  // Some 400 an hour, from however many addresses.
  password: {
    forgetMs: MINUTE_MS,
    gaps: [
      { from: 40, gapMs: 10_000 },
      { from: 20, gapMs: 3000 },
      { from: 10, gapMs: 1000 },
    ],
  },
  // Some 300 a day: there are only a million codes.
  code: {
    forgetMs: 15 * MINUTE_MS,
    gaps: [
      { from: 30, gapMs: LONGEST_GAP_MS },
      { from: 20, gapMs: MINUTE_MS },
      { from: 10, gapMs: 5000 },
    ],
  },
};

/**
 * Keeps guessing slow without letting anybody lock somebody else out. Failures are counted by account and address:
 * after 5, that address is locked for the account for a minute, then twice as long with each further one, up to 15.
 * Failures from everywhere only slow down addresses from which the account was never logged in to. They are forgotten
 * one by one.
 *
 * Names without an account are counted in the same way, with the same statements: neither a lock nor the time that an
 * answer takes tells whether there is an account.
 */
export class Lockout {
  readonly #store: CoreStore;
  readonly #now: () => number;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Attempts under way, and when the next from an unknown address may begin, by name. */
  readonly #pending = new Map<string, number>();
  readonly #nextAt = new Map<string, number>();

  constructor({ store, now = steadyNow, wait = Bun.sleep }: LockoutOptions) {
    this.#store = store;
    this.#now = now;
    this.#wait = wait;
  }

  /** Runs the attempts at one name from one address one after another: guesses sent all at once are counted too. */
  async takeTurn<T>({ name, ipAddress }: Omit<Candidate, "account">, attempt: () => Promise<T>): Promise<T> {
    const key = hashToken(`${toAddressKey(ipAddress)} ${name}`);
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(attempt, attempt);
    this.#turns.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  /**
   * Makes an attempt, once it is its turn.
   *
   * @throws AppError account_locked while the name is locked for this address, whatever is given; rate_limited while too
   * many others try it
   */
  async attempt<T>(attempted: Attempted, candidate: Candidate, work: () => Promise<T>): Promise<T> {
    const { name } = candidate;
    const key = toKey(attempted, name);
    const address = toAddressKey(candidate.ipAddress);
    const { loginFailures } = this.#store.tables;
    const { name_hash, address: from } = loginFailures;
    const found = await this.#store.db
      .select()
      .from(loginFailures)
      .where(and(inArray(name_hash, toKeys(name)), inArray(from, [address, EVERYWHERE])));
    const now = this.#now();
    const rows = await Promise.all(found.map((row) => this.#mend(row, now)));
    const lockMs = Math.max(...rows.map((row) => row.locked_until?.getTime() ?? 0), 0) - now;
    if (lockMs > 0) throw tooMany("account_locked", "Too many wrong passwords or codes from here", lockMs);
    const all = rows.find((row) => row.address === EVERYWHERE && row.name_hash === key);
    const { forgetMs } = BARS[attempted];
    const failed = all === undefined ? 0 : forget(toCount(all), { now, forgetMs }).failed;
    const others = this.#pending.get(key) ?? 0;
    this.#pending.set(key, others + 1);
    try {
      const gapMs = gapOf(attempted, failed + others);
      if (gapMs > 0 && !(await this.#isKnown(candidate, address))) await this.#waitForSlot(key, gapMs);
      return await work();
    } finally {
      const left = (this.#pending.get(key) ?? 1) - 1;
      if (left === 0) this.#pending.delete(key);
      else this.#pending.set(key, left);
    }
  }

  /**
   * Counts a failure within a transaction, with the same statements whether or not there is an account: they
   * must take the same time.
   *
   * @returns whether the name is locked for this address from now on
   */
  async countFailure(tx: Transaction, attempted: Attempted, candidate: Candidate): Promise<boolean> {
    const key = toKey(attempted, candidate.name);
    const address = toAddressKey(candidate.ipAddress);
    await this.#count(tx, { key, address: EVERYWHERE, forgetMs: BARS[attempted].forgetMs });
    if (address === EVERYWHERE) return false;
    const failed = await this.#count(tx, { key, address, forgetMs: FORGET_MS });
    return failed >= FREE_ATTEMPTS;
  }

  /** Forgets the failures from the address of somebody who has logged in, within the transaction of that. */
  async forgive(
    tx: Pick<Database, "delete">,
    { name, ipAddress }: Omit<Candidate, "account">,
  ): Promise<void> {
    const { loginFailures } = this.#store.tables;
    await tx
      .delete(loginFailures)
      .where(
        and(
          inArray(loginFailures.name_hash, toKeys(name)),
          eq(loginFailures.address, toAddressKey(ipAddress)),
        ),
      );
  }

  /** Deletes what is forgotten, and says how much that was. */
  async purge(): Promise<number> {
    const { db, tables } = this.#store;
    const isOld = lt(tables.loginFailures.counted_at, new Date(this.#now() - DAY_MS));
    return (await db.delete(tables.loginFailures).where(isOld)).rowsAffected;
  }

  /**
   * Brings back what a clock that was ahead has written, in this process or another: from now on a lock lasts as long as
   * it was meant to, and failures are forgotten.
   */
  async #mend(row: Failures, now: number): Promise<Failures> {
    const latest = now + toLockMs(row.failed);
    const isAhead = row.counted_at.getTime() > now || (row.locked_until?.getTime() ?? 0) > latest;
    if (!isAhead) return row;
    const { loginFailures } = this.#store.tables;
    const until = row.locked_until === null ? null : Math.min(row.locked_until.getTime(), latest);
    const mended = {
      counted_at: new Date(Math.min(row.counted_at.getTime(), now)),
      locked_until: until === null ? null : new Date(until),
    };
    const isThis = and(eq(loginFailures.name_hash, row.name_hash), eq(loginFailures.address, row.address));
    // A failure that was counted meanwhile has written times of its own.
    const isSame = and(isThis, eq(loginFailures.failed, row.failed));
    await this.#store.db.update(loginFailures).set(mended).where(isSame);
    return { ...row, ...mended };
  }

  /** Whether the account was logged in to from there, as far as sessions are remembered. */
  async #isKnown({ account }: Candidate, address: string): Promise<boolean> {
    const { sessions } = this.#store.tables;
    const known = await this.#store.db
      .selectDistinct({ ipAddress: sessions.ip_address })
      .from(sessions)
      .where(and(eq(sessions.user_id, account?.id ?? NOBODY), isNull(sessions.viewer_session_id)));
    return known.some(({ ipAddress }) => toAddressKey(ipAddress) === address);
  }

  /** Lets attempts begin so far apart. @throws AppError rate_limited when that takes too long */
  async #waitForSlot(key: string, gapMs: number): Promise<void> {
    const now = this.#now();
    const nextAt = this.#nextAt.get(key) ?? 0;
    // Further ahead, the clock was set back meanwhile.
    const at = nextAt > now + LONGEST_WAIT_MS + LONGEST_GAP_MS ? now : Math.max(now, nextAt);
    const waitMs = at - now;
    if (waitMs > LONGEST_WAIT_MS)
      throw tooMany("rate_limited", "Too many wrong logins to this account", waitMs);
    this.#nextAt.delete(key);
    this.#nextAt.set(key, at + gapMs);
    const [first = key] = this.#nextAt.keys();
    if (this.#nextAt.size > MAX_NAMES) this.#nextAt.delete(first);
    if (waitMs > 0) await this.#wait(waitMs);
  }

  async #count(
    tx: Transaction,
    { key, address, forgetMs }: { key: string; address: string; forgetMs: number },
  ): Promise<number> {
    const { loginFailures } = this.#store.tables;
    const now = this.#now();
    const isThis = and(eq(loginFailures.name_hash, key), eq(loginFailures.address, address));
    await tx
      .insert(loginFailures)
      .values({ name_hash: key, address, counted_at: new Date(now) })
      // Locks the row at once: two that share the lock of one that is there would wait for each other on MySQL.
      .onConflictDoUpdate({ target: [loginFailures.name_hash, loginFailures.address], set: { address } });
    const [row] = await tx.select().from(loginFailures).where(isThis).for("update");
    const before = row === undefined ? { failed: 0, countedAt: now } : toCount(row);
    const { failed, countedAt } = forget(before, { now, forgetMs });
    const isLocked = address !== EVERYWHERE && failed + 1 >= FREE_ATTEMPTS;
    const lockMs = toLockMs(failed + 1);
    await tx
      .update(loginFailures)
      .set({
        failed: failed + 1,
        counted_at: new Date(countedAt),
        locked_until: isLocked ? new Date(now + lockMs) : null,
      })
      .where(isThis);
    return failed + 1;
  }
}

/** Ends the locks of an account, wherever they are for. @param attempted after which wrong ones */
export async function liftLocks(
  tx: Pick<Database, "delete">,
  { loginFailures }: Pick<CoreStore["tables"], "loginFailures">,
  email: string,
  attempted: readonly Attempted[] = ["password", "code"],
): Promise<number> {
  const keys = attempted.map((one) => toKey(one, email));
  const { rowsAffected } = await tx.delete(loginFailures).where(inArray(loginFailures.name_hash, keys));
  return rowsAffected;
}

/** How long an address is locked for after so many failures. */
function toLockMs(failed: number): number {
  return Math.min(FIRST_LOCK_MS * 2 ** Math.max(0, failed - FREE_ATTEMPTS), LONGEST_LOCK_MS);
}

function toKeys(name: string): string[] {
  return [toKey("password", name), toKey("code", name)];
}

function toKey(attempted: Attempted, name: string): string {
  return hashToken(`${attempted} ${name}`);
}

type Failures = CoreStore["tables"]["loginFailures"]["$inferSelect"];

interface Count {
  readonly failed: number;
  readonly countedAt: number;
}

function toCount({ failed, counted_at }: { readonly failed: number; readonly counted_at: Date }): Count {
  return { failed, countedAt: counted_at.getTime() };
}

/** Takes off what is forgotten by now. */
function forget(
  { failed, countedAt }: Count,
  { now, forgetMs }: { readonly now: number; readonly forgetMs: number },
): Count {
  const forgotten = Math.max(0, Math.floor((now - countedAt) / forgetMs));
  if (forgotten >= failed) return { failed: 0, countedAt: now };
  return { failed: failed - forgotten, countedAt: countedAt + forgotten * forgetMs };
}

function gapOf(attempted: Attempted, failed: number): number {
  return BARS[attempted].gaps.find(({ from }) => failed >= from)?.gapMs ?? 0;
}
