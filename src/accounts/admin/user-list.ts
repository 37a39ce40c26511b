import { and, eq, inArray, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { CoreStore } from "../people/store.ts";
import { toNameKey } from "../people/names.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import { startsWith } from "../../db/schema/portable-sql.ts";
import { findWithSecondFactor } from "../two-factor/enrolment.ts";

/** A user as administrators see one: nothing of it helps to log in. */
export interface UserAnswer {
  readonly id: number;
  readonly email: string;
  readonly full_name: string | null;
  readonly is_active: boolean;
  /** When it was shown that mail to it arrives; null for never. */
  readonly email_verified_at: string | null;
  /** Whether that has to be shown before its owner may log in. */
  readonly must_verify_email: boolean;
  /** When it is deleted, as its owner wants; null for one that stays. */
  readonly deletion_at: string | null;
  /** Since when it is locked, as its owner has said that somebody else was in; null for an account that isn't. */
  readonly locked_at: string | null;
  readonly roles: { id: number; name: string }[];
  /** Whether logging in takes a second factor. */
  readonly has_otp: boolean;
  readonly last_login_at: string | null;
  readonly created_at: string;
  readonly updated_at: string;
}

/** Which users are asked for. */
export interface UserQuery extends PageQuery {
  /** Beginning of the email or the name, in any case and without accents. */
  readonly q?: string | undefined;
  readonly is_active?: boolean | undefined;
  /** Name of a role. */
  readonly role?: string | undefined;
}

/** Users that a search finds at most by email, and by name: it costs the same for any text. */
export const SEARCH_LIMIT = 1000;
/** Up to so many holders of a role are looked up; of more, users are looked through. */
const FEW_HOLDERS = 1000;

/** Returns a page of users, in order of their ids unless the query says otherwise. */
export async function listUsers(store: CoreStore, query: UserQuery): Promise<Page<UserAnswer>> {
  const { users } = store.tables;
  const filters = await toFilters(store, query);
  const text = (query.q ?? "").trim();
  const where = text === "" ? and(...filters) : matchPrefix(store, text, filters);
  const rows = store.db.select(columnsOf(store)).from(users).where(where).orderBy(users.id);
  const found = await paginate(rows, query, {
    // Users are made one after another: the newer user has the higher id, which has an index.
    sort: { id: users.id, email: users.email, full_name: users.name_key, created_at: users.id },
  });
  return { ...found, items: await toUserAnswers(store, found.items) };
}

/** @throws AppError not_found */
export async function readUser(store: CoreStore, id: number): Promise<UserAnswer> {
  const { users } = store.tables;
  const rows = await store.db.select(columnsOf(store)).from(users).where(eq(users.id, id));
  const [user] = await toUserAnswers(store, rows);
  if (user === undefined) throw noUser(id);
  return user;
}

/** The error of an id that no user has. */
export function noUser(id: number): AppError {
  return fail("not_found", `Cannot find user "${id}": there is none`);
}

function columnsOf({ tables: { users } }: CoreStore) {
  const { id, email, full_name, is_active, email_verified_at, must_verify_email } = users;
  const { deletion_at, locked_at, last_login_at, created_at, updated_at } = users;
  const states = { is_active, email_verified_at, must_verify_email, deletion_at, locked_at };
  return { id, email, full_name, ...states, last_login_at, created_at, updated_at };
}

type Computed =
  | "roles"
  | "has_otp"
  | "email_verified_at"
  | "deletion_at"
  | "locked_at"
  | "last_login_at"
  | "created_at"
  | "updated_at";
type UserRow = Omit<UserAnswer, Computed> & {
  readonly email_verified_at: Date | null;
  readonly deletion_at: Date | null;
  readonly locked_at: Date | null;
  readonly last_login_at: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
};

async function toUserAnswers(store: CoreStore, rows: readonly UserRow[]): Promise<UserAnswer[]> {
  if (rows.length === 0) return [];
  const { roles, userRoles } = store.tables;
  const ids = rows.map(({ id }) => id);
  const held = await store.db
    .select({ userId: userRoles.user_id, id: roles.id, name: roles.name })
    .from(userRoles)
    .innerJoin(roles, eq(roles.id, userRoles.role_id))
    .where(inArray(userRoles.user_id, ids))
    .orderBy(roles.name);
  const withOtp = await findWithSecondFactor(store.db, store.tables, ids);
  return rows.map((user) => ({
    ...user,
    roles: held.filter(({ userId }) => userId === user.id).map(({ id, name }) => ({ id, name })),
    has_otp: withOtp.has(user.id),
    email_verified_at: user.email_verified_at?.toISOString() ?? null,
    locked_at: user.locked_at?.toISOString() ?? null,
    deletion_at: user.deletion_at?.toISOString() ?? null,
    last_login_at: user.last_login_at?.toISOString() ?? null,
    created_at: user.created_at.toISOString(),
    updated_at: user.updated_at.toISOString(),
  }));
}

async function toFilters(store: CoreStore, { is_active, role }: UserQuery): Promise<SQL[]> {
  const { roles, userRoles, users } = store.tables;
  const filters: SQL[] = is_active === undefined ? [] : [eq(users.is_active, is_active)];
  if (role === undefined) return filters;
  const [found] = await store.db.select({ id: roles.id }).from(roles).where(eq(roles.name, role));
  const ofRole = eq(userRoles.role_id, found?.id ?? 0);
  const holders = await store.db
    .select({ id: userRoles.user_id })
    .from(userRoles)
    .where(ofRole)
    .limit(FEW_HOLDERS + 1);
  const isFew = holders.length <= FEW_HOLDERS;
  const few = sql`${users.id} in (select ${userRoles.user_id} from ${userRoles} where ${ofRole})`;
  const many = sql`exists (select 1 from ${userRoles} where ${userRoles.user_id} = ${users.id} and ${ofRole})`;
  return [...filters, isFew ? few : many];
}

/** Each beginning is looked up in its own index, where an `or` over both would read the whole table. */
function matchPrefix({ tables: { users } }: CoreStore, text: string, filters: readonly SQL[]): SQL {
  const find = (column: PgColumn, prefix: string | null): SQL[] => {
    if (prefix === null) return [];
    const where = and(startsWith(column, prefix), ...filters);
    const found = sql`select ${users.id} as id from ${users} where ${where} limit ${sql.raw(String(SEARCH_LIMIT))}`;
    // MySQL allows a limit in a derived table only.
    return [sql`select id from (${found}) as ${sql.identifier(`by_${column.name}`)}`];
  };
  const email = text.normalize("NFKC").toLowerCase();
  const parts = [...find(users.email, email), ...find(users.name_key, toNameKey(text))];
  // Within a derived table again, which MySQL makes once: a union on its own it would run for each user.
  return sql`${users.id} in (select id from (${sql.join(parts, sql` union `)}) as found)`;
}
