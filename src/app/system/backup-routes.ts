import { basename, join, resolve } from "node:path";
import { Elysia, t } from "elysia";
import { assertMayChangeCode } from "../../accounts/admin/code-changes.ts";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { Origin, Principal } from "../../accounts/identity/principal.ts";
import { BY_SESSION } from "../../accounts/identity/session-owner.ts";
import { type AuditEntry, writeAudit } from "../../accounts/people/audit.ts";
import type { CoreStore } from "../../accounts/people/store.ts";
import { toBackupProject } from "../../backups/project.ts";
import type { LoadedConfig } from "../../config/load.ts";
import type { Backup } from "../../db/backup/backup.ts";
import { DatabaseError } from "../../db/contract/database-error.ts";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import { BACKUP_NAME, type KeptBackup, listBackups, verifyBackup } from "../../db/backup/kept.ts";

export interface BackupRoutesOptions {
  readonly guards: Guards;
  readonly store: CoreStore;
  readonly originOf: (request: Request) => Origin;
  /** Finds out anew who makes a request. @throws AppError authentication_error */
  readonly identifyAgain: (request: Request) => Promise<Principal>;
  readonly version: string;
  readonly loaded: () => LoadedConfig;
}

const Kept = t.Object({
  name: t.String(),
  size: t.Integer({ description: "In bytes" }),
  created_at: t.String({ format: "date-time" }),
});
const Name = t.Object({ name: t.String({ pattern: BACKUP_NAME, maxLength: 210 }) });
const Checked = t.Object({
  name: t.String(),
  xcore_version: t.String(),
  dialect: t.String(),
  created_at: t.String(),
  plugins: t.Array(t.String()),
  files: t.Integer({ description: "How many files it holds, each of the size and hash that it says" }),
});

type Asking = { readonly user: { readonly id: number; readonly email: string }; readonly request: Request };

/** Serves the backups in `backups.directory`, below `/system/backups`. */
export function backupRoutes(options: BackupRoutesOptions) {
  const { guards, loaded } = options;
  const shownFolder = (): string => loaded().config.backups.directory;
  const folder = (): string => resolve(loaded().directory, shownFolder());
  const note = createNote(options);
  let making: Promise<Backup> | null = null;
  return new Elysia({ name: "xcore/backups", prefix: "/system/backups", detail: { tags: ["system"] } })
    .use(guards)
    .get("", async () => ({ items: (await listBackups(folder())).map(toAnswer), folder: shownFolder() }), {
      permission: "backups:read",
      response: {
        200: t.Object({
          items: t.Array(Kept),
          folder: t.String({ description: "Where they are, from the folder of config.json" }),
        }),
      },
      detail: { summary: "Backups in backups.directory, the latest first" },
    })
    .post(
      "",
      async ({ status, ...context }) => {
        if (making !== null) throw fail("conflict", "Cannot make a backup: one is being made; wait for it");
        making = makeBackup(options);
        const made = await making.finally(() => (making = null));
        const name = basename(made.file);
        await note("backup.made", name, context, { size: made.size });
        return status(201, { name, size: made.size, created_at: new Date().toISOString() });
      },
      {
        permission: "backups:make",
        // It takes its time, and nothing of it is in the database.
        idempotent: { transaction: false },
        response: { 201: Kept },
        detail: {
          summary: "Back up the database, config.json and the plugins' manifests; answers when it is made",
        },
      },
    )
    .post("/:name/verify", ({ params: { name } }) => verify(folder(), name), {
      permission: "backups:read",
      params: Name,
      response: { 200: Checked },
      detail: { summary: "Tell whether a backup is whole: 409 where it is damaged or was changed" },
    })
    .get("/:name", ({ params: { name }, ...context }) => download(options, join(folder(), name), context), {
      permission: "*",
      params: Name,
      detail: {
        ...BY_SESSION,
        summary: "Download a backup, with everything that is secret in it",
        description: "It takes `*`, a session, and the password or a code of the last ten minutes.",
      },
    });
}

async function verify(folder: string, name: string): Promise<typeof Checked.static> {
  try {
    const { members, xcore_version, dialect, created_at, plugins } = await verifyBackup(folder, name);
    return { name, xcore_version, dialect, created_at, plugins, files: members.length };
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (error.fault === "unavailable") throw noBackup(name);
    if (error.fault !== "corrupt") throw error;
    // Its text names where the file is, which is nobody's business.
    const reason = error.message
      .replaceAll(join(folder, name), name)
      .replace("Cannot restore", "Cannot trust");
    throw fail("conflict", reason, { cause: error });
  }
}

/** All accounts and the secrets of config.json are in a backup. */
async function download(options: BackupRoutesOptions, path: string, context: Asking): Promise<Response> {
  const { store, identifyAgain } = options;
  await assertMayChangeCode(store, await identifyAgain(context.request), { isDryRun: false });
  const file = Bun.file(path);
  const name = basename(path);
  if (!(await file.exists())) throw noBackup(name);
  await createNote(options)("backup.downloaded", name, context);
  return new Response(file, {
    headers: {
      "content-type": "application/gzip",
      "content-disposition": `attachment; filename="${name}"`,
      "cache-control": "no-store",
    },
  });
}

async function makeBackup({ loaded, version }: BackupRoutesOptions): Promise<Backup> {
  const { backupDatabase, UnderWayError } = await import("../../db/backup/backup.ts");
  try {
    return await backupDatabase({ ...toBackupProject(loaded(), { version }), endsOnSignal: false });
  } catch (error) {
    throw error instanceof UnderWayError ? fail("conflict", error.message, { cause: error }) : error;
  }
}

/** Returns what writes into the audit log what somebody has done with a backup. */
function createNote({ store, originOf }: Pick<BackupRoutesOptions, "store" | "originOf">) {
  return (action: string, name: string, { user: actor, request }: Asking, after?: AuditEntry["after"]) =>
    writeAudit(store.db, store.tables, {
      action,
      actor,
      target: { type: "backup", id: name.slice(0, 64) },
      origin: originOf(request),
      ...(after && { after }),
    });
}

function toAnswer({ name, size, createdAt }: KeptBackup): typeof Kept.static {
  return { name, size, created_at: createdAt.toISOString() };
}

function noBackup(name: string): AppError {
  return fail("not_found", `Cannot find backup "${name}": there is none`);
}
