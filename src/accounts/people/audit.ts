import type { Database } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { Origin, Viewer } from "../identity/principal.ts";

/** Something that was done, or refused, and must be accounted for. */
export interface AuditEntry {
  /** "user.login", "role.update", … */
  readonly action: string;
  /** Who did it, and who viewed as them then; null for somebody unknown. @default null */
  readonly actor?: { readonly id: number; readonly email: string; readonly viewer?: Viewer } | null;
  readonly target?: { readonly type: string; readonly id: string | number };
  /** @default "done" */
  readonly result?: "done" | "refused";
  readonly origin?: Origin;
  /** What was there before and is there after, without secrets. */
  readonly before?: Record<string, unknown>;
  readonly after?: Record<string, unknown>;
}

/** Writes an entry, within the transaction of what it tells of where there is one. */
export async function writeAudit(
  db: Pick<Database, "insert">,
  { auditLog }: Pick<CoreTables, "auditLog">,
  entry: AuditEntry,
): Promise<void> {
  const { action, actor = null, target, result = "done", origin, before, after } = entry;
  await db.insert(auditLog).values({
    action,
    actor_id: actor?.id ?? null,
    actor: actor?.email ?? "",
    viewer_id: actor?.viewer?.id ?? null,
    viewer: actor?.viewer?.email ?? null,
    target_type: target?.type ?? "",
    target_id: String(target?.id ?? ""),
    result,
    ip_address: origin?.ipAddress ?? "",
    user_agent: origin?.userAgent ?? "",
    before: before ?? null,
    after: after ?? null,
  });
}
