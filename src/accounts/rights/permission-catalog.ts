import { and, eq, inArray } from "drizzle-orm";
import { closestWord } from "../../errors/suggestion.ts";
import type { CoreStore } from "../people/store.ts";

/** Permissions of xcore itself, with descriptions. */
export const CORE_PERMISSIONS = {
  "users:read": "See accounts",
  "users:write": "Make, change and delete accounts, and give them roles",
  "users:impersonate": "See what somebody sees who holds no more, in their place",
  "roles:read": "See roles and permissions",
  "roles:write": "Make, change and delete roles",
  "audit:read": "Read the audit log",
  "cache:read": "See what the cache does",
  "system:read": "See what runs, and the requests of the last minutes with those that failed",
  "cache:clear": "Delete what is cached",
  "logs:read": "Read the logs of the server",
  "config:read": "See the configuration, with secrets masked, and where it comes from",
  "backups:read": "See which backups there are, and whether they are whole",
  "backups:make": "Make backups",
  "plugins:read": "See plugins, and why one has failed",
  "tasks:read": "See scheduled tasks",
  "tasks:manage": "Run, pause and resume scheduled tasks",
  "plugins:switch": "Enable, disable and reload the plugins that are there",
  "resources:explain": "See why somebody doesn't see a row of any table that plugins serve",
  "resources:share": "Save, change and delete views of lists that everybody sees",
  "jobs:read": "See background jobs, with their payloads",
  "jobs:manage": "Enqueue, retry, cancel and delete background jobs",
  "mail:read": "See which mail waits, was sent and failed: to whom, and its subject",
  "mail:manage": "Send mail again, and cancel mail that waits",
} as const;

/**
 * Says of permissions that are to be granted, wildcards too, which of them nobody has declared, and what was probably
 * meant: a route never asks for them.
 */
export async function describeUnknownGrants(
  { db, tables: { permissions } }: CoreStore,
  granted: readonly string[],
): Promise<string[]> {
  const asked = granted.filter((grant) => grant !== "*");
  if (asked.length === 0) return [];
  const rows = await db.select({ name: permissions.name }).from(permissions);
  const names = [...Object.keys(CORE_PERMISSIONS), ...rows.map(({ name }) => name)];
  const wildcards = names.map((name) => name.replace(/:.*/, ":*"));
  const known = new Set([...names, ...wildcards]);
  return asked
    .filter((grant) => !known.has(grant))
    .map((grant) => {
      const meant = closestWord(grant, grant.endsWith(":*") ? wildcards : names);
      const hint = meant === undefined ? "see /admin/permissions" : `did you mean "${meant}"?`;
      return `No plugin declares the permission "${grant}": ${hint}`;
    });
}

const MAX_DESCRIPTION = 255; // characters

/** A permission that somebody else has declared before. */
export interface TakenPermission {
  readonly name: string;
  /** The plugin that keeps it, or "core". */
  readonly owner: string;
}

/**
 * Enters permissions into the table of those that can be assigned, where they stay when their plugin goes. A name
 * belongs to whoever declares it first. Several instances may do so at once.
 *
 * @param owner a plugin's name, or "core"
 * @param declared descriptions by name
 * @returns the declared permissions that belong to another owner
 */
export async function declarePermissions(
  { db, tables: { permissions } }: CoreStore,
  owner: string,
  declared: Readonly<Record<string, string>>,
): Promise<TakenPermission[]> {
  const names = Object.keys(declared);
  if (names.length === 0) return [];
  const describe = (name: string): string => (declared[name] ?? "").slice(0, MAX_DESCRIPTION).toWellFormed();
  const read = () => db.select().from(permissions).where(inArray(permissions.name, names));
  const known = new Map((await read()).map((row) => [row.name, row]));
  const missing = names.filter((name) => !known.has(name));
  if (missing.length > 0) {
    await db
      .insert(permissions)
      .values(missing.map((name) => ({ name, description: describe(name), owner })))
      .onConflictDoNothing({ target: permissions.name });
    for (const row of await read()) known.set(row.name, row);
  }
  for (const row of known.values()) {
    const description = describe(row.name);
    if (row.owner !== owner || row.description === description) continue;
    // oxlint-disable-next-line no-await-in-loop -- seldom more than one
    await db
      .update(permissions)
      .set({ description })
      .where(and(eq(permissions.name, row.name), eq(permissions.owner, owner)));
  }
  return [...known.values()]
    .filter((row) => row.owner !== owner)
    .map((row) => ({ name: row.name, owner: row.owner }));
}
