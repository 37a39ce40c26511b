import { desc } from "drizzle-orm";
import { fail } from "../../errors/codes.ts";
import type { Page } from "../../db/paging/paginate.ts";
import { readEntries, type ShownEntry } from "../history/reading.ts";
import { type Attachment, type AttachmentSource, attachmentsOf, showAttachments } from "./attachments.ts";
import { type Comment, commentsOf, showComments } from "./comments.ts";
import type { Actor } from "../reading/actors.ts";
import { assertInSight } from "./sight.ts";

/** Something that has happened with a row: one of the three is there. */
export interface Activity {
  readonly kind: "comment" | "attachment" | "change";
  readonly at: Date;
  readonly actor: Actor | null;
  /** The administrator who viewed as the actor; null for the actor alone. */
  readonly viewer: Actor | null;
  readonly comment: Comment | null;
  readonly attachment: Attachment | null;
  readonly change: Pick<ShownEntry, "id" | "verb" | "changes"> | null;
}

export interface ActivityQuery {
  readonly page?: number;
  readonly per_page?: number;
}

/** As far as the page goes: all before it is read, of each kind. */
const MAX_DEPTH = 1000;

/** Reads a page of what has happened with a row, the latest first. @throws AppError not_found, validation_error */
export async function listActivity(
  source: AttachmentSource,
  id: unknown,
  { page = 1, per_page = 20 }: ActivityQuery,
): Promise<Page<Activity>> {
  const limit = page * per_page;
  if (limit > MAX_DEPTH && page > 1) {
    const message = `Expected one of the first ${MAX_DEPTH}; comments, attachments and history have lists of their own`;
    throw fail("validation_error", `Cannot read page "${page}": it lies deeper than ${MAX_DEPTH}`, {
      errors: [{ path: "/query/page", code: "too_deep", message }],
    });
  }
  await assertInSight(source, id);
  const parts = await Promise.all([
    recentComments(source, id, limit),
    recentAttachments(source, id, limit),
    recentChanges(source, id, limit),
  ]);
  const items = parts
    .flatMap((part) => part.items)
    .toSorted((a, b) => b.at.getTime() - a.at.getTime())
    .slice(limit - per_page, limit);
  return { items, page, per_page, total: parts.reduce((sum, part) => sum + part.total, 0) };
}

interface Part {
  readonly items: readonly Activity[];
  readonly total: number;
}

const NONE: Part = { items: [], total: 0 };
const EMPTY = { comment: null, attachment: null, change: null } as const;

async function recentComments(source: AttachmentSource, id: unknown, limit: number): Promise<Part> {
  const { db, core, access } = source;
  if (!access.resource.discussion.hasComments) return NONE;
  const condition = commentsOf(core, access.resource, id);
  const { comments } = core;
  const rows = await db.select().from(comments).where(condition).orderBy(desc(comments.id)).limit(limit);
  const items = (await showComments(source, rows)).map((comment): Activity => {
    const { author: actor, viewer, created_at: at } = comment;
    return { ...EMPTY, kind: "comment", at, actor, viewer, comment };
  });
  return { items, total: await db.$count(comments, condition) };
}

async function recentAttachments(source: AttachmentSource, id: unknown, limit: number): Promise<Part> {
  const { db, core, access } = source;
  if (access.resource.discussion.attachments === null) return NONE;
  const condition = attachmentsOf(core, access.resource, id);
  const { files } = core;
  const rows = await db.select().from(files).where(condition).orderBy(desc(files.id)).limit(limit);
  const items = (await showAttachments(source, id, rows)).map((attachment): Activity => {
    const { author: actor, viewer, created_at: at } = attachment;
    return { ...EMPTY, kind: "attachment", at, actor, viewer, attachment };
  });
  return { items, total: await db.$count(files, condition) };
}

async function recentChanges(source: AttachmentSource, id: unknown, limit: number): Promise<Part> {
  const { db, core, access } = source;
  if (!access.resource.hasHistory) return NONE;
  const { history, users } = core;
  const { entries, total } = await readEntries({ db, access, history, users }, id, limit);
  const items = entries.map(({ id: entry, verb, at, actor, viewer, changes }): Activity => {
    return { ...EMPTY, kind: "change", at, actor, viewer, change: { id: entry, verb, changes } };
  });
  return { items, total };
}
