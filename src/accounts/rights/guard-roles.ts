import { and, eq, inArray } from "drizzle-orm";
import type { CoreStore } from "../people/store.ts";

/** What a column of the table holds. */
const MAX_LENGTH = 64; // characters

/**
 * Returns those of these roles that routes ask for by name, also routes of plugins that aren't loaded now: such a role opens
 * more than its permissions tell.
 *
 * @param isGuardRole whether routes ask for it, beside those that plugins were ever loaded with
 */
export async function findGuardRoles(
  { db, tables: { guardRoles } }: CoreStore,
  names: readonly string[],
  isGuardRole: (role: string) => boolean,
): Promise<string[]> {
  if (names.length === 0) return [];
  const rows = await db
    .selectDistinct({ role: guardRoles.role })
    .from(guardRoles)
    .where(inArray(guardRoles.role, [...names]));
  return names.filter((name) => isGuardRole(name) || rows.some(({ role }) => role === name));
}

/**
 * Keeps which roles the routes of a plugin ask for by name, in the place of those it asked for before. They stay when
 * the plugin is switched off or taken out: whoever gives such a role then may be giving what it opens later.
 */
export async function keepGuardRoles(
  { db, tables: { guardRoles } }: CoreStore,
  plugin: string,
  roles: readonly string[],
): Promise<void> {
  // No role has a longer name.
  const wanted = [...new Set(roles)].filter((role) => role.length <= MAX_LENGTH);
  const known = await db
    .select({ role: guardRoles.role })
    .from(guardRoles)
    .where(eq(guardRoles.plugin, plugin));
  const missing = wanted.filter((role) => !known.some((row) => row.role === role));
  const gone = known.map(({ role }) => role).filter((role) => !wanted.includes(role));
  if (missing.length > 0) {
    await db
      .insert(guardRoles)
      .values(missing.map((role) => ({ plugin, role })))
      .onConflictDoNothing();
  }
  if (gone.length > 0) {
    await db.delete(guardRoles).where(and(eq(guardRoles.plugin, plugin), inArray(guardRoles.role, gone)));
  }
}
