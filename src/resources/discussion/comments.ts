import { and, desc, eq, type SQL } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { type Page, type PageQuery, paginate } from "../../db/paging/paginate.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import { toForbidden } from "../../accounts/identity/guards.ts";
import { fail } from "../../errors/codes.ts";
import type { Resource } from "../definition/definition.ts";
import { toRowKey } from "../history/entries.ts";
import { type Actor, readActors } from "../reading/actors.ts";
import {
  askerOf,
  assertInSight,
  assertMayWrite,
  type DiscussionSource,
  holdRow,
  isOwn,
  mayTakeAway,
} from "./sight.ts";

type CommentRow = CoreTables["resourceComments"]["$inferSelect"];

/** What somebody has said of a row. */
export interface Comment {
  readonly id: number;
  readonly body: string;
  readonly author_id: number;
  /** Null for an account that is gone. */
  readonly author: Actor | null;
  /** The administrator who has written or changed it while viewing as the author; null for the author alone. */
  readonly viewer_id: number | null;
  readonly viewer: Actor | null;
  readonly created_at: Date;
  readonly edited_at: Date | null;
  readonly may_edit: boolean;
  readonly may_delete: boolean;
}

/** Of a row: beyond, nobody reads them. */
const MAX_COMMENTS = 10_000;

/** Reads a page of what is said of a row, the latest first. @throws AppError not_found */
export async function listComments(
  source: DiscussionSource,
  id: unknown,
  query: PageQuery,
): Promise<Page<Comment>> {
  await assertInSight(source, id);
  const { db, core, access } = source;
  const { comments } = core;
  const rows = db
    .select()
    .from(comments)
    .where(commentsOf(core, access.resource, id))
    .orderBy(desc(comments.id));
  const page = await paginate<CommentRow>(rows, query, { sort: ["id"] });
  return { ...page, items: await showComments(source, page.items) };
}

/** Says something of a row. @throws AppError not_found, conflict where there are as many as there may be */
export async function addComment(source: DiscussionSource, id: unknown, body: string): Promise<Comment> {
  const { db, core, access } = source;
  const { author, viewerId } = askerOf(access);
  const row = await db.transaction(async (tx) => {
    await holdRow(tx, source, id);
    const count = await tx.$count(core.comments, commentsOf(core, access.resource, id));
    if (count >= MAX_COMMENTS) throw fail("conflict", `There are ${MAX_COMMENTS} comments already`);
    const { tableName } = access.resource;
    const values = { table_name: tableName, row_key: toRowKey(id), author_id: author, viewer_id: viewerId };
    const [added] = await tx
      .insert(core.comments)
      .values({ ...values, body })
      .returning();
    return added;
  });
  return showOne(source, row);
}

/** Changes what whoever asks has said. @throws AppError not_found, authorization_error for what somebody else has */
export async function editComment(source: DiscussionSource, way: CommentWay, body: string): Promise<Comment> {
  const { db, core, access } = source;
  const { viewerId } = askerOf(access);
  const row = await db.transaction(async (tx) => {
    const found = await findComment(tx, source, way);
    if (!isOwn(access, found.author_id)) throw toForbidden("Only who has written a comment may change it");
    if (found.body === body) return found;
    const [edited] = await tx
      .update(core.comments)
      .set({ body, edited_at: new Date(), ...(viewerId !== null && { viewer_id: viewerId }) })
      .where(eq(core.comments.id, found.id))
      .returning();
    return edited;
  });
  return showOne(source, row);
}

/** Takes a comment back. @throws AppError not_found, authorization_error */
export async function removeComment(source: DiscussionSource, way: CommentWay): Promise<void> {
  const { db, core, access } = source;
  assertMayWrite(access);
  await db.transaction(async (tx) => {
    const found = await findComment(tx, source, way);
    if (!mayTakeAway(access, found.author_id))
      throw toForbidden("A comment is deleted by who has written it, or by who may delete rows");
    await tx.delete(core.comments).where(eq(core.comments.id, found.id));
  });
}

/** Removes all that is said of a row that is gone. */
export async function forgetComments(
  tx: Transaction,
  {
    core,
    resource,
    id,
  }: { readonly core: Pick<CoreDeclaration, "comments">; readonly resource: Resource; readonly id: unknown },
): Promise<void> {
  await tx.delete(core.comments).where(commentsOf(core, resource, id));
}

/** A comment, by the row that it is on. */
export interface CommentWay {
  readonly id: unknown;
  readonly comment: number;
}

export function commentsOf(
  { comments }: Pick<CoreDeclaration, "comments">,
  { tableName }: Resource,
  id: unknown,
): SQL | undefined {
  return and(eq(comments.table_name, tableName), eq(comments.row_key, toRowKey(id)));
}

/** Comments as they are shown to whoever asks. */
export async function showComments(
  source: DiscussionSource,
  rows: readonly CommentRow[],
): Promise<Comment[]> {
  const { db, core, access } = source;
  const authors = await readActors(
    { db, users: core.users },
    rows.flatMap((row) => [row.author_id, row.viewer_id]),
  );
  return rows.map((row) => ({
    id: row.id,
    body: row.body,
    author_id: row.author_id,
    author: authors.get(row.author_id) ?? null,
    viewer_id: row.viewer_id,
    viewer: authors.get(row.viewer_id ?? 0) ?? null,
    created_at: row.created_at,
    edited_at: row.edited_at,
    may_edit: isOwn(access, row.author_id),
    may_delete: mayTakeAway(access, row.author_id),
  }));
}

async function showOne(source: DiscussionSource, row: CommentRow | undefined): Promise<Comment> {
  const [shown] = row === undefined ? [] : await showComments(source, [row]);
  if (shown === undefined) throw new Error("The database gave nothing for a comment");
  return shown;
}

async function findComment(
  tx: Transaction,
  source: DiscussionSource,
  { id, comment }: CommentWay,
): Promise<CommentRow> {
  await holdRow(tx, source, id);
  const { core, access } = source;
  const isIt = and(commentsOf(core, access.resource, id), eq(core.comments.id, comment));
  const [found] = await tx.select().from(core.comments).where(isIt).limit(1);
  if (found === undefined) throw fail("not_found", `Cannot find comment "${comment}"`);
  return found;
}
