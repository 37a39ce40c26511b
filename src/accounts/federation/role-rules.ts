import { and, eq, inArray } from "drizzle-orm";
import type { Database, Transaction } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { HookBus } from "../../hooks/bus.ts";
import type { Origin } from "../identity/principal.ts";
import { writeAudit } from "../people/audit.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { EVERYTHING, lockAdministration, rankAdministration } from "../rights/builtin-roles.ts";

/** An identity whose rules are followed. */
export interface Ruled {
  readonly identityId: number;
  readonly user: { readonly id: number; readonly email: string };
  /** Names of the roles that claims give now; none for one that is to be unlinked. */
  readonly wanted: readonly string[];
  readonly origin: Origin;
}

type Tables = Pick<
  CoreTables,
  "identities" | "users" | "userRoles" | "roles" | "rolePermissions" | "accessChanges" | "auditLog"
>;

/**
 * Gives an account the roles that claims give, and takes those that this identity's rules gave before. Roles that somebody
 * has given by hand, or another identity gives, stay. The last administrator stays one, and nobody becomes one whose
 * password is too short for that: the audit log says so. An identity that was unlinked meanwhile gives nothing: nobody would take
 * it again.
 */
export async function followRoleRules(store: CoreStore, hooks: HookBus, ruled: Ruled): Promise<void> {
  if (!(await plan(store, ruled)).isDue) return;
  const changes = await store.db.transaction(
    async (tx) => {
      await lockAdministration(tx, store.tables);
      return followWithin(tx, store.tables, ruled);
    },
    { isolation: "read committed", retries: 3 },
  );
  await tellOfRoles(hooks, ruled, changes);
}

/** A role that was given or taken. */
export interface RoleChange {
  readonly name: "role.assigned" | "role.removed";
  readonly role_id: number;
  readonly role: string;
}

/** Does the same within a transaction that has locked administration. */
export async function followWithin(tx: Transaction, tables: Tables, ruled: Ruled): Promise<RoleChange[]> {
  const { user, origin, identityId } = ruled;
  const { known, wasGiven, isKept, isLinked } = await plan({ db: tx, tables }, ruled);
  if (!isLinked) return [];
  const given: string[] = [];
  const changes: RoleChange[] = [];
  for (const { isHeld, ...role } of known) {
    const entry = { action: "role.assigned", target: { type: "user", id: user.id }, origin };
    const change = { role_id: role.id, role: role.name };
    /* oxlint-disable no-await-in-loop -- one connection */
    if (ruled.wanted.includes(role.name)) {
      const isGiven = isHeld ? wasGiven(role.name) : await give(tx, tables, { user, role, entry });
      if (isGiven) given.push(role.name);
      if (isGiven && !isHeld) changes.push({ name: "role.assigned", ...change });
    } else if (isHeld && !isKept(role.name)) {
      const isTaken = await take(tx, tables, { user, role, entry: { ...entry, action: "role.removed" } });
      if (isTaken) changes.push({ name: "role.removed", ...change });
      else given.push(role.name);
    }
    /* oxlint-enable no-await-in-loop */
  }
  const { identities } = tables;
  await tx.update(identities).set({ roles: given.toSorted() }).where(eq(identities.id, identityId));
  if (changes.length > 0) await noteAccessChange(tx, tables, user.id);
  return changes;
}

/** Tells the hooks of what was committed. */
export async function tellOfRoles(
  hooks: HookBus,
  { user }: Pick<Ruled, "user">,
  changes: readonly RoleChange[],
): Promise<void> {
  for (const { name, ...change } of changes) {
    // oxlint-disable-next-line no-await-in-loop -- in the order in which they were made
    await hooks.emit(name, { ...change, user_id: user.id, email: user.email, actor_id: null });
  }
}

/** Looks which of the roles that the rules are about there are, and who has given them. */
async function plan(
  { db, tables }: { readonly db: Pick<Database, "select">; readonly tables: Tables },
  { identityId, user, wanted }: Ruled,
) {
  const { identities, roles, userRoles } = tables;
  const linked = await db.select().from(identities).where(eq(identities.user_id, user.id));
  const own = linked.find(({ id }) => id === identityId);
  const before = own?.roles ?? [];
  const ofOthers = new Set(linked.filter(({ id }) => id !== identityId).flatMap((one) => one.roles));
  const names = [...new Set([...before, ...wanted])];
  const isHeld = and(eq(userRoles.role_id, roles.id), eq(userRoles.user_id, user.id));
  const found =
    names.length === 0
      ? []
      : await db
          .select({ id: roles.id, name: roles.name, holder: userRoles.user_id })
          .from(roles)
          .leftJoin(userRoles, isHeld)
          .where(inArray(roles.name, names));
  const known = found.map(({ holder, ...role }) => ({ ...role, isHeld: holder !== null }));
  const wasGiven = (role: string): boolean => before.includes(role) || ofOthers.has(role);
  const isKept = (role: string): boolean => ofOthers.has(role);
  const isSettled = known.every(({ name, isHeld: holds }) =>
    wanted.includes(name) ? holds && before.includes(name) === wasGiven(name) : !before.includes(name),
  );
  return { known, wasGiven, isKept, isLinked: own !== undefined, isDue: !isSettled };
}

interface Holding {
  readonly user: { readonly id: number };
  readonly role: { readonly id: number; readonly name: string };
  readonly entry: {
    readonly action: string;
    readonly target: { type: string; id: number };
    readonly origin: Origin;
  };
}

async function give(tx: Transaction, tables: Tables, { user, role, entry }: Holding): Promise<boolean> {
  const { users, userRoles } = tables;
  const after = { role: role.name, by: "provider" };
  const [account] = await tx
    .select({ isLong: users.has_long_password })
    .from(users)
    .where(eq(users.id, user.id))
    .for("update");
  if (account?.isLong === false && (await grantsEverything(tx, tables, role.id))) {
    await writeAudit(tx, tables, {
      ...entry,
      after: { ...after, reason: "password_too_short" },
      result: "refused",
    });
    return false;
  }
  await tx.insert(userRoles).values({ user_id: user.id, role_id: role.id }).onConflictDoNothing();
  await writeAudit(tx, tables, { ...entry, after });
  return true;
}

async function take(tx: Transaction, tables: Tables, { user, role, entry }: Holding): Promise<boolean> {
  const { userRoles } = tables;
  const holding = { user_id: user.id, role_id: role.id };
  const before = { role: role.name, by: "provider" };
  const rank = await rankAdministration({ db: tx, tables });
  await tx.delete(userRoles).where(and(eq(userRoles.user_id, user.id), eq(userRoles.role_id, role.id)));
  if ((await rankAdministration({ db: tx, tables })) < rank) {
    await tx.insert(userRoles).values(holding);
    await writeAudit(tx, tables, {
      ...entry,
      before: { ...before, reason: "last_administrator" },
      result: "refused",
    });
    return false;
  }
  await writeAudit(tx, tables, { ...entry, before });
  return true;
}

async function grantsEverything(
  tx: Transaction,
  { rolePermissions }: Tables,
  roleId: number,
): Promise<boolean> {
  const everything = and(eq(rolePermissions.role_id, roleId), eq(rolePermissions.permission, EVERYTHING));
  return (await tx.$count(rolePermissions, everything)) > 0;
}
