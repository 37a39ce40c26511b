import { and, eq, gt, gte, inArray, lte } from "drizzle-orm";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { LinkPurpose } from "../../db/schema/core-tables.ts";
import { fail } from "../identity/error-codes.ts";
import { hashToken, isSameText, makeToken } from "../keys/opaque-tokens.ts";
import { steadyNow } from "../people/steady-clock.ts";
import type { CoreStore } from "../people/store.ts";

/** A link that is sent to the owner of an account, and does one thing once. */
export interface NewLink {
  readonly purpose: LinkPurpose;
  readonly userId: number;
  readonly lifetimeMs: number;
  /** What has to be as it is now for the link to count, such as a password's hash. @default nothing */
  readonly boundTo?: string | null;
  /** What it is about besides, such as the email that it confirms. @default nothing */
  readonly data?: Readonly<Record<string, string>>;
}

/** A link that is neither used nor old. */
export interface Link {
  readonly userId: number;
  readonly data: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  /** Whether what it is bound to is still as it was. */
  holdsFor(state: string | null): boolean;
}

type Querying = Pick<Database, "select">;

/**
 * Links of mails that let somebody do one thing of an account once. Only their hash is kept. Opening one changes
 * nothing, so that scanners of mail may: what it does is asked for by a form, or a request of its own.
 */
export class AccountLinks {
  readonly #store: CoreStore;
  readonly #now: () => number;
  readonly #steadyNow: () => number;

  /** @param now in ms since the epoch; @default Date.now */
  constructor(store: CoreStore, now?: () => number) {
    this.#store = store;
    this.#now = now ?? Date.now;
    // A clock that goes wrong for a minute deletes nothing.
    this.#steadyNow = now ?? steadyNow;
  }

  /** Makes a link as part of a transaction; returns its token. Those of before stay good: see `revoke`. */
  async issue(
    tx: Transaction,
    { purpose, userId, lifetimeMs, boundTo = null, data = {} }: NewLink,
  ): Promise<string> {
    const token = makeToken();
    await tx.insert(this.#store.tables.accountLinks).values({
      id: hashToken(token),
      user_id: userId,
      purpose,
      bound_hash: boundTo === null ? null : hashToken(boundTo),
      data,
      expires_at: new Date(this.#now() + lifetimeMs),
    });
    return token;
  }

  /** Looks a link up, for a page that shows what it would do. @throws AppError link_invalid */
  async find(purpose: LinkPurpose, token: string, db: Querying = this.#store.db): Promise<Link> {
    const { accountLinks } = this.#store.tables;
    const [row] = await db
      .select()
      .from(accountLinks)
      .where(
        and(
          eq(accountLinks.id, hashToken(token)),
          eq(accountLinks.purpose, purpose),
          gt(accountLinks.expires_at, new Date(this.#now())),
        ),
      );
    if (row === undefined) throw linkInvalid();
    return {
      userId: row.user_id,
      data: row.data,
      createdAt: row.created_at,
      holdsFor: (state) =>
        row.bound_hash === null || (state !== null && isSameText(row.bound_hash, hashToken(state))),
    };
  }

  /**
   * Uses a link up as part of a transaction. Of several at once, on any instance, one succeeds; what is rolled back
   * leaves the link as it was. To come behind `lockUser` where the account is locked too.
   *
   * @throws AppError link_invalid
   */
  async take(tx: Transaction, purpose: LinkPurpose, token: string): Promise<Link> {
    const link = await this.find(purpose, token, tx);
    const { accountLinks } = this.#store.tables;
    const { rowsAffected } = await tx.delete(accountLinks).where(eq(accountLinks.id, hashToken(token)));
    if (rowsAffected === 0) throw linkInvalid();
    return link;
  }

  /** Voids the links of an account. @param since those that were sent from then on. @default all */
  async revoke(
    tx: Transaction,
    userId: number,
    purposes: readonly LinkPurpose[],
    since?: Date,
  ): Promise<void> {
    const { accountLinks } = this.#store.tables;
    const isLate = since && gte(accountLinks.created_at, since);
    const isMeant = inArray(accountLinks.purpose, [...purposes]);
    await tx.delete(accountLinks).where(and(eq(accountLinks.user_id, userId), isMeant, isLate));
  }

  /** Deletes those that are too old. */
  async purge(): Promise<void> {
    const { db, tables } = this.#store;
    const before = new Date(Math.min(this.#now(), this.#steadyNow()));
    await db.delete(tables.accountLinks).where(lte(tables.accountLinks.expires_at, before));
  }
}

/** What a link is bound to that another password or email voids. */
export function toCredentialState({
  email,
  password_hash,
}: {
  readonly email: string;
  readonly password_hash: string | null;
}): string {
  return `${email} ${password_hash ?? ""}`;
}

/** The answer to every link that is of no use: which of the reasons it is would tell of accounts. */
export function linkInvalid() {
  return fail(
    "link_invalid",
    "This link isn't valid, or no longer: it was used, is too old, or a newer one was sent",
  );
}
