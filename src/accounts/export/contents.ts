import { and, eq, gt, isNull, lte, max } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { readInPieces } from "../../db/paging/row-pieces.ts";
import type { SelectQuery } from "../../db/paging/paginate.ts";
import type { CoreStore } from "../people/store.ts";
import type { Account } from "../people/users.ts";
import { isUnproven } from "../recovery/unproven.ts";
import { readUserRoles } from "../rights/access.ts";

/** Rows that are read at once. */
const PIECE = 500;
/** Rows that are looked through at once, of a table that has no index of people: others get their turn in between. */
const WINDOW = 5000;

type Pieces = AsyncGenerator<readonly object[], void, undefined>;

/** A part of what the core holds of somebody: a value, or rows that are read as they are written. */
export type Section = readonly [
  name: string,
  held: { readonly value: unknown } | { readonly rows: () => Pieces },
];

/** Lists all that the core holds of somebody, without secrets, nor who has viewed as them and from where. */
export async function listContents(store: CoreStore, account: Account): Promise<readonly Section[]> {
  const { id } = account;
  // Who has registered with another's address would read of mails to that one, such as of a plugin to a customer.
  const address = (await isUnproven(store, account)) ? null : account.email;
  return [
    ["account", { value: toProfile(account) }],
    ["roles", { value: await readUserRoles(store, id) }],
    ...listAccess(store, id),
    ...listTraces(store, { id, address }),
  ];
}

/** Named one by one: what comes to be kept of accounts may be secret. */
function toProfile({ password_hash, ...account }: Account) {
  const { id, email, full_name, is_active, email_verified_at } = account;
  const { language, theme, last_login_at, created_at, updated_at } = account;
  const shown = { id, email, full_name, is_active, email_verified_at, has_password: password_hash !== null };
  return { ...shown, language, theme, last_login_at, created_at, updated_at };
}

/** What somebody gets in with, and where they are in. */
function listAccess({ db, tables }: CoreStore, userId: number): readonly Section[] {
  const { apiKeys, identities, otpDevices, passkeys, sessions } = tables;
  return [
    [
      "sessions",
      readRows(() => {
        const { id, has_otp, ip_address, user_agent, created_at, last_used_at, expires_at, revoked_at } =
          sessions;
        const shown = {
          id,
          has_otp,
          ip_address,
          user_agent,
          created_at,
          last_used_at,
          expires_at,
          revoked_at,
        };
        return db
          .select(shown)
          .from(sessions)
          .where(and(eq(sessions.user_id, userId), isNull(sessions.viewer_session_id)));
      }),
    ],
    [
      "otp_devices",
      readRows(() => {
        const { id, name, confirmed_at, created_at } = otpDevices;
        const shown = { id, name, confirmed_at, created_at };
        return db.select(shown).from(otpDevices).where(eq(otpDevices.user_id, userId));
      }),
    ],
    [
      "passkeys",
      readRows(() => {
        const { id, name, rp_id, is_synced, last_used_at, created_at } = passkeys;
        const shown = { id, name, rp_id, is_synced, last_used_at, created_at };
        return db.select(shown).from(passkeys).where(eq(passkeys.user_id, userId));
      }),
    ],
    [
      "identities",
      readRows(() => {
        const { id, provider, issuer, subject, email, last_used_at, created_at } = identities;
        const shown = { id, provider, issuer, subject, email, last_used_at, created_at };
        return db.select(shown).from(identities).where(eq(identities.user_id, userId));
      }),
    ],
    [
      "api_keys",
      readRows(() => {
        const { id, name, prefix, permissions, expires_at, last_used_at, revoked_at, created_at } = apiKeys;
        const shown = { id, name, prefix, permissions, expires_at, last_used_at, revoked_at, created_at };
        return db.select(shown).from(apiKeys).where(eq(apiKeys.user_id, userId));
      }),
    ],
  ];
}

/** What somebody has made and done, and was told. */
function listTraces(
  { db, tables }: CoreStore,
  { id: userId, address }: { readonly id: number; readonly address: string | null },
): readonly Section[] {
  const { auditLog, mails, savedViews } = tables;
  return [
    [
      "saved_views",
      readRows(() => {
        const { id, resource, name, columns, query, mode, created_at, updated_at } = savedViews;
        const shown = { id, resource, name, columns, query, mode, created_at, updated_at };
        return db.select(shown).from(savedViews).where(eq(savedViews.user_id, userId));
      }),
    ],
    ["comments", { rows: () => readComments({ db, tables }, userId) }],
    [
      "mails",
      address === null
        ? { value: [] }
        : readRows(() => {
            const { id, template, language, subject, state, created_at, ended_at } = mails;
            const shown = { id, template, language, subject, state, created_at, ended_at };
            return db.select(shown).from(mails).where(eq(mails.recipient, address));
          }),
    ],
    [
      "audit_log",
      readRows(
        () => {
          // Neither what was there before nor after: that may be of others, whose accounts they administer.
          const { id, at, action, target_type, target_id, result, ip_address, user_agent } = auditLog;
          const shown = { id, at, action, target_type, target_id, result, ip_address, user_agent };
          return db
            .select(shown)
            .from(auditLog)
            .where(and(eq(auditLog.actor_id, userId), isNull(auditLog.viewer_id)));
        },
        { at: auditLog.at },
      ),
    ],
  ];
}

async function* readComments({ db, tables }: CoreStore, userId: number): Pieces {
  const { resourceComments } = tables;
  const { id, table_name, row_key, body, created_at, edited_at } = resourceComments;
  const [last] = await db.select({ id: max(id) }).from(resourceComments);
  for (let from = 0; from < (last?.id ?? 0); from += WINDOW) {
    const isNext = and(gt(id, from), lte(id, from + WINDOW), eq(resourceComments.author_id, userId));
    const shown = { id, table_name, row_key, body, created_at, edited_at };
    const { rows } = readRows(() => db.select(shown).from(resourceComments).where(isNext));
    yield* rows();
  }
}

/** @param by what an index has the rows in order by, where these may be many. @default their keys */
function readRows(
  toQuery: () => SelectQuery<unknown>,
  by: Readonly<Record<string, PgColumn>> = {},
): { readonly rows: () => Pieces } {
  const order = { sort: Object.keys(by).join(), names: by };
  return { rows: () => readInPieces(toQuery(), { ...order, size: PIECE }) };
}
