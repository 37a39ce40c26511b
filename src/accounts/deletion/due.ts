import { and, asc, eq, gt, inArray, lte } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import type { OwnedOptions } from "../../db/transactions/owner.ts";
import { whereOpen } from "../identity/standing.ts";
import { keepAccount } from "../links/keeping.ts";
import { writeAudit } from "../people/audit.ts";
import { isUnsendable } from "../people/send-mail.ts";
import { steadyNow } from "../people/steady-clock.ts";
import type { CoreStore } from "../people/store.ts";
import { lockUser } from "../people/users.ts";
import { EVERYTHING } from "../rights/builtin-roles.ts";
import { findObjection, type Objection } from "./asking.ts";
import type { DeletionsOptions } from "./deletions.ts";
import { eraseAccount } from "./erasure.ts";

const AT_ONCE = 100;
const MAX_ADMINISTRATORS = 20;

type DueOptions = Pick<DeletionsOptions, "store" | "hooks" | "sendMail" | "log" | "now">;

/**
 * Deletes the accounts whose time has come, each in a transaction with what plugins do of it: done wholly or not at all, and once,
 * however many try. One that a plugin refuses stays, and its owner and the administrators are told; one that a plugin couldn't be
 * asked of is tried again.
 *
 * @returns how many are deleted
 */
export async function deleteDue(options: DueOptions, signal: AbortSignal): Promise<number> {
  let deleted = 0;
  for await (const id of listDue(options)) {
    if (signal.aborted) break;
    try {
      if (await deleteAccount(options, id)) deleted += 1;
    } catch (error) {
      options.log.error({ err: error, user_id: id }, "an account can't be deleted; it is tried again");
    }
  }
  return deleted;
}

/** Lists whose time has come, each once: those that stay for now keep no others waiting. */
async function* listDue(options: DueOptions): AsyncGenerator<number> {
  const { db, tables } = options.store;
  const { id, deletion_at } = tables.users;
  for (let last = 0, isMore = true; isMore;) {
    const isNext = and(lte(deletion_at, toNow(options)), gt(id, last));
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const due = await db.select({ id }).from(tables.users).where(isNext).orderBy(asc(id)).limit(AT_ONCE);
    for (const user of due) yield (last = user.id);
    isMore = due.length === AT_ONCE;
  }
}

/** Undoes what has been done of a deletion. */
class Objected extends Error {
  readonly objection: Objection;

  constructor(objection: Objection) {
    super(objection.reason);
    this.objection = objection;
  }
}

async function deleteAccount(options: DueOptions, id: number): Promise<boolean> {
  const { store, hooks, log } = options;
  // All that plugins ask of the database on the way is part of it.
  const ambient: OwnedOptions = { isolation: "read committed", isAmbient: true };
  try {
    const isDone = await store.db.transaction((tx) => erase(options, tx, id), ambient);
    if (isDone) await hooks.emit("user.deleted", { user: { id } });
    return isDone;
  } catch (error) {
    if (!(error instanceof Objected)) throw error;
    const { reason, isFinal } = error.objection;
    log.warn({ user_id: id, reason, is_final: isFinal }, "an account isn't deleted");
    if (isFinal) await store.db.transaction((tx) => keepRefused(options, tx, { id, reason }));
    return false;
  }
}

async function erase(options: DueOptions, tx: Transaction, id: number): Promise<boolean> {
  const { store, hooks } = options;
  const { tables } = store;
  const account = await lockDue(options, tx, id);
  if (account === null) return false;
  const objection = await findObjection(hooks, account, { phase: "final", deletionAt: account.deletion_at });
  if (objection !== null) throw new Objected(objection);
  // Before its language is gone.
  await tryToSend(options, tx, { to: account.email, template: "deletion-done", data: {} });
  const isGone = await eraseAccount(tx, tables, account);
  const target = { type: "user", id };
  await writeAudit(tx, tables, {
    action: "user.deleted",
    target,
    after: { by_owner: true, row: isGone ? "deleted" : "kept" },
  });
  return true;
}

/** Returns an account whose time has come, locked; null for one that was kept or deleted meanwhile. */
async function lockDue(options: DueOptions, tx: Transaction, id: number) {
  const { users } = options.store.tables;
  const isDue = and(eq(users.id, id), lte(users.deletion_at, toNow(options)));
  const [account] = await tx.select().from(users).where(isDue).for("update");
  const { deletion_at = null } = account ?? {};
  return account === undefined || deletion_at === null ? null : { ...account, deletion_at };
}

async function keepRefused(
  options: DueOptions,
  tx: Transaction,
  { id, reason }: { readonly id: number; readonly reason: string },
): Promise<void> {
  const { tables } = options.store;
  const { email } = await lockUser(tx, tables, id);
  if (!(await keepAccount(tx, tables, id))) return;
  const target = { type: "user", id };
  await writeAudit(tx, tables, { action: "user.deleted", target, result: "refused", after: { reason } });
  await tryToSend(options, tx, {
    to: email,
    template: "deletion-refused",
    data: { reason, account: email, own: true },
  });
  for (const to of await findAdministrators(tx, tables)) {
    if (to === email) continue;
    // oxlint-disable-next-line no-await-in-loop -- on one connection
    await tryToSend(options, tx, {
      to,
      template: "deletion-refused",
      data: { reason, account: email, own: false },
    });
  }
}

/** An address that no mail goes to keeps nobody's account, nor does a template that was broken. */
export async function tryToSend(
  { sendMail, log }: Pick<DueOptions, "sendMail" | "log">,
  tx: Transaction,
  mail: Parameters<DeletionsOptions["sendMail"]>[0],
): Promise<void> {
  try {
    await sendMail(mail, { tx });
  } catch (error) {
    if (!isUnsendable(error)) throw error;
    log.warn({ err: error, template: mail.template }, "nobody can be told of a deletion");
  }
}

async function findAdministrators(
  tx: Transaction,
  { rolePermissions, userRoles, users }: CoreStore["tables"],
): Promise<string[]> {
  const granting = await tx
    .select({ id: rolePermissions.role_id })
    .from(rolePermissions)
    .where(eq(rolePermissions.permission, EVERYTHING));
  const ids = granting.map((role) => role.id);
  if (ids.length === 0) return [];
  const found = await tx
    .selectDistinct({ email: users.email })
    .from(userRoles)
    .innerJoin(users, eq(users.id, userRoles.user_id))
    .where(and(inArray(userRoles.role_id, ids), whereOpen({ users })))
    .limit(MAX_ADMINISTRATORS);
  return found.map(({ email }) => email);
}

/** A clock that goes wrong for a minute deletes nobody. */
function toNow({ now }: DueOptions): Date {
  return new Date(now?.() ?? Math.min(Date.now(), steadyNow()));
}
