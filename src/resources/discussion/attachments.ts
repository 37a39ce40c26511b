import { and, desc, eq, type SQL } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import { toForbidden } from "../../accounts/identity/guards.ts";
import { fail, invalidRequest } from "../../errors/codes.ts";
import { AppError } from "../../errors/errors.ts";
import type { StoredFile } from "../../storage/contract/stored-file.ts";
import type { Library } from "../../storage/library.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Resource } from "../definition/definition.ts";
import { toRowKey } from "../history/entries.ts";
import { type Actor, readActors } from "../reading/actors.ts";
import {
  askerOf,
  assertInSight,
  assertMayWrite,
  type DiscussionSource,
  holdRow,
  mayTakeAway,
} from "./sight.ts";

type FileRow = CoreTables["storedFiles"]["$inferSelect"];

/** A file beside a row. */
export interface Attachment {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly url: string;
  readonly created_at: Date;
  readonly author_id: number | null;
  /** Null for nobody known, and for an account that is gone. */
  readonly author: Actor | null;
  /** The administrator who has attached it while viewing as the author; null for the author alone. */
  readonly viewer_id: number | null;
  readonly viewer: Actor | null;
  readonly may_delete: boolean;
}

export interface AttachmentSource extends DiscussionSource {
  readonly storage: Pick<Storage, "library">;
  /** Where the resource is served, once it is. */
  readonly pathOf: (resource: Resource) => string;
}

/** An attachment, by the row that it is on. */
export interface AttachmentWay {
  readonly id: unknown;
  readonly attachment: string;
}

/** What stands for a column in the catalogue of files; none is called so. */
const COLUMN = "~attachments";
const MAX_ATTACHMENTS = 200; // of a row
const CODES: Readonly<Record<string, string>> = { file_refused: "file_type", payload_too_large: "file_size" };

/** Reads a page of the files beside a row, the latest first. @throws AppError not_found */
export async function listAttachments(
  source: AttachmentSource,
  id: unknown,
  query: PageQuery,
): Promise<Page<Attachment>> {
  await assertInSight(source, id);
  const { db, core, access } = source;
  const rows = db
    .select()
    .from(core.files)
    .where(attachmentsOf(core, access.resource, id))
    .orderBy(desc(core.files.id));
  const page = await paginate<FileRow>(rows, query, { sort: [] });
  return { ...page, items: await showAttachments(source, id, page.items) };
}

/** Puts a file beside a row. @throws AppError not_found, validation_error for one that isn't taken, conflict where there are too many */
export async function attach(source: AttachmentSource, id: unknown, file: Blob): Promise<Attachment> {
  const { db, core, access, storage } = source;
  const { plugin, tableName, discussion } = access.resource;
  const { author, viewerId } = askerOf(access);
  await assertInSight(source, id);
  const library = await storage.library();
  const place = { table: tableName, column: COLUMN };
  const { id: file_id } = await keep(library, file, { plugin, place, author, ...discussion.attachments });
  try {
    const row = await db.transaction(async (tx) => {
      await holdRow(tx, source, id);
      const count = await tx.$count(core.files, attachmentsOf(core, access.resource, id));
      if (count >= MAX_ATTACHMENTS) throw fail("conflict", `There are ${MAX_ATTACHMENTS} files already`);
      await library.claim(tx, file_id, { plugin, place, rowKey: toRowKey(id), userId: author });
      if (viewerId !== null)
        await tx.update(core.files).set({ viewer_id: viewerId }).where(eq(core.files.id, file_id));
      const [claimed] = await tx.select().from(core.files).where(eq(core.files.id, file_id)).limit(1);
      return claimed;
    });
    const [shown] = row === undefined ? [] : await showAttachments(source, id, [row]);
    if (shown === undefined) throw new Error("The database gave nothing for a file");
    return shown;
  } catch (error) {
    await library.discardUpload(file_id).catch(() => {}); // or whoever cleans up
    throw error;
  }
}

/** Finds a file beside a row. @throws AppError not_found */
export async function findAttachment(source: AttachmentSource, way: AttachmentWay): Promise<StoredFile> {
  await assertInSight(source, way.id);
  return readAttachment(source.db as Transaction, source, way);
}

/** Takes a file away. @throws AppError not_found, authorization_error */
export async function detach(source: AttachmentSource, way: AttachmentWay): Promise<void> {
  const { db, access, storage } = source;
  assertMayWrite(access);
  const { plugin, tableName } = access.resource;
  const library = await storage.library();
  await db.transaction(async (tx) => {
    await holdRow(tx, source, way.id);
    const file = await readAttachment(tx, source, way);
    if (!mayTakeAway(access, file.created_by))
      throw toForbidden("A file is deleted by who has attached it, or by who may delete rows");
    const place = { table: tableName, column: COLUMN };
    await library.detach(tx, { plugin, place, rowKey: toRowKey(way.id), id: file.id });
  });
}

/** Removes all files beside a row that is gone, once that is committed. */
export async function forgetAttachments(
  tx: Transaction,
  {
    storage,
    resource,
    id,
  }: { readonly storage: Pick<Storage, "library">; readonly resource: Resource; readonly id: unknown },
): Promise<void> {
  const place = { table: resource.tableName, column: COLUMN };
  await (await storage.library()).detach(tx, { plugin: resource.plugin, place, rowKey: toRowKey(id) });
}

export function attachmentsOf(
  { files }: Pick<CoreDeclaration, "files">,
  { plugin, tableName }: Resource,
  id: unknown,
): SQL | undefined {
  return and(
    eq(files.plugin, plugin),
    eq(files.table_name, tableName),
    eq(files.column_name, COLUMN),
    eq(files.row_key, toRowKey(id)),
  );
}

/** Files as they are shown to whoever asks. */
export async function showAttachments(
  source: AttachmentSource,
  id: unknown,
  rows: readonly FileRow[],
): Promise<Attachment[]> {
  const { db, core, access, pathOf } = source;
  const authors = await readActors(
    { db, users: core.users },
    rows.flatMap((row) => [row.created_by, row.viewer_id]),
  );
  const base = `${pathOf(access.resource)}/${encodeURIComponent(String(id))}/attachments`;
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    type: row.type,
    size: row.size,
    url: `${base}/${row.id}`,
    created_at: row.created_at,
    author_id: row.created_by,
    author: authors.get(row.created_by ?? 0) ?? null,
    viewer_id: row.viewer_id,
    viewer: authors.get(row.viewer_id ?? 0) ?? null,
    may_delete: mayTakeAway(access, row.created_by),
  }));
}

async function readAttachment(
  db: Transaction,
  { core, access }: AttachmentSource,
  { id, attachment }: AttachmentWay,
): Promise<FileRow> {
  const isIt = and(attachmentsOf(core, access.resource, id), eq(core.files.id, attachment));
  const [found] = await db.select().from(core.files).where(isIt).limit(1);
  if (found === undefined) throw fail("not_found", `Cannot find attachment "${attachment}"`);
  return found;
}

async function keep(
  library: Library,
  file: Blob,
  {
    plugin,
    place,
    author,
    ...limits
  }: {
    readonly plugin: string;
    readonly place: { readonly table: string; readonly column: string };
    readonly author: number;
    readonly types?: readonly string[];
    readonly maxSize?: string | number;
  },
): Promise<StoredFile> {
  try {
    return await library.upload(plugin, place, file, { ...limits, createdBy: author });
  } catch (error) {
    const code = error instanceof AppError ? CODES[error.code] : undefined;
    if (code === undefined || !(error instanceof AppError)) throw error;
    throw invalidRequest([{ path: "/body/file", code, message: error.message }], { cause: error });
  }
}
