import type { Asker, FindStandIn } from "../../accounts/user-directory.ts";
import { toForbidden } from "../../accounts/identity/guards.ts";
import type { User } from "../../accounts/identity/principal.ts";
import type { Database } from "../../db/contract/database.ts";
import { isFault } from "../../db/contract/database-error.ts";
import { toClientError } from "../../db/contract/error-codes.ts";
import { AppError } from "../../errors/errors.ts";
import type { JobContext } from "../../jobs/definition/options.ts";
import type { Access } from "../access/access.ts";
import type { Resource } from "../definition/definition.ts";
import type { Writer } from "../writing/writer.ts";
import { importFile, type ImportFollower, ImportRun, inPieces } from "../import/importer.ts";
import { ImportTally, toRefusal } from "../import/report.ts";
import { openSource } from "../import/source.ts";
import { type ImportRow, type ImportStore, readOptions, readReport } from "./store.ts";

/** What imports of a resource are done with. */
export interface ImportJobGround {
  readonly resource: Resource;
  readonly db: Database;
  readonly writer: Writer;
  readonly store: ImportStore;
  readonly accessOf: (user: User | null) => Access;
  readonly findStandIn: FindStandIn;
  /** What somebody may do: another object once that has changed. */
  readonly permissionsOf: (user: User) => object | null;
}

/** What the job of an import is enqueued with. */
export interface ImportPayload {
  readonly import: string;
}

interface Import {
  readonly row: ImportRow;
  readonly job: JobContext<ImportPayload>;
  readonly follower: ImportFollower;
}

/** Rows that are committed together where others may be left out: what a crash in between undoes. */
const STEP = 1000;

/**
 * Imports a file that waits, in the name of who asked for it, with the rights that they have by now. All or nothing is one transaction
 * with the note that it is done; where rows with mistakes are left out, each thousand is, and a try after a crash goes on from there.
 *
 * @throws whatever isn't about the file, or who asked: it is tried again
 */
export async function runImport(job: JobContext<ImportPayload>, ground: ImportJobGround): Promise<void> {
  const { store, resource } = ground;
  const row = await store.find(job.payload.import);
  if (row === null || row.ended_at !== null) return; // forgotten, or a try before has done it
  if (row.plugin !== resource.plugin || row.resource !== resource.name) return;
  const follower = {
    signal: job.signal,
    onProgress: (part: number, rows: number) => job.progress(part, `${rows} rows`),
  };
  try {
    const { skips, isDry } = readOptions(row);
    await (skips && !isDry ? importInSteps : importAtOnce)({ row, job, follower }, ground);
  } catch (error) {
    const refusal = toFinal(error);
    if (refusal === null) throw error;
    await job.step("refused", async (tx) => {
      await store.end(tx, row.id, { outcome: "failed", error: refusal });
    });
  }
}

async function importAtOnce({ row, job, follower }: Import, ground: ImportJobGround): Promise<void> {
  const { store, writer } = ground;
  const options = readOptions(row);
  const { access } = await findAccess(row, ground);
  const file = await store.readFile(row);
  await job.step("import", async (tx) => {
    const report = await importFile(file, { options, follower }, { db: tx, writer, access });
    const isRefused = report.failed > 0 && !options.skips && !options.isDry;
    await store.end(tx, row.id, {
      report,
      outcome: isRefused ? "failed" : "completed",
      ...(isRefused && { error: toRefusal(report) }),
    });
  });
}

async function importInSteps({ row, job, follower }: Import, ground: ImportJobGround): Promise<void> {
  const { store, writer } = ground;
  const options = readOptions(row);
  const file = await store.readFile(row);
  const source = await openSource(file);
  const tally = new ImportTally(false, readReport(row));
  const seen = new Map<unknown, number>();
  const { format } = file;
  const toRun = ({ access }: Rights): ImportRun =>
    ImportRun.create(source, { writer, access, options, tally, format, seen });
  let rights = await findAccess(row, ground);
  let run = toRun(rights);
  let done = 0;
  for await (const rows of inPieces(source.pieces, STEP)) {
    const old = rows.slice(0, Math.max(row.done - done, 0));
    const fresh = rows.slice(old.length);
    run.pass(old);
    done += rows.length;
    if (fresh.length === 0) continue;
    const now = await findAccess(row, ground);
    if (now.stamp !== rights.stamp || !Bun.deepEquals(now.access.asker.user, rights.access.asker.user))
      run = toRun(now);
    rights = now;
    await job.step(`rows to ${done}`, async (tx) => {
      for (let from = 0; from < fresh.length; from += run.size)
        // oxlint-disable-next-line no-await-in-loop -- one after another, in one transaction
        await run.write(fresh.slice(from, from + run.size), tx);
      await store.save(tx, row.id, { done, report: tally.toReport() });
    });
    follower.onProgress(source.readPart(), done);
  }
  await job.step("end", async (tx) => {
    await store.end(tx, row.id, { outcome: "completed", report: tally.toReport() });
  });
}

/** What who asked may do now. */
interface Rights {
  readonly access: Access;
  /** Another one once that has changed. */
  readonly stamp: object | null;
}

/** @throws AppError authorization_error where they may not import any more */
async function findAccess(
  { user_id: userId, api_key_id: apiKeyId }: ImportRow,
  { resource, accessOf, findStandIn, permissionsOf }: ImportJobGround,
): Promise<Rights> {
  const asker: Asker | null = userId === null ? null : { userId, apiKeyId };
  const user = asker === null ? null : await findStandIn(asker);
  if (asker !== null && user === null)
    throw toForbidden("Whoever asked for it has no active account any more, or their API key isn't valid");
  const access = accessOf(user);
  const { permission } = resource;
  if (permission !== null && !access.asker.can(`${permission}:write`))
    throw toForbidden(`Whoever asked for it hasn't the permission "${permission}:write" any more`);
  return { access, stamp: user === null ? null : permissionsOf(user) };
}

/** What is told of an error that another try would meet too; null for any other. */
function toFinal(error: unknown): AppError | null {
  const told = toClientError(error);
  if (!(told instanceof AppError)) return null;
  return told.status < 500 || isFault(error, "timeout") ? told : null;
}
