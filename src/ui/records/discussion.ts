import type { Page as List } from "../../db/paging/paginate.ts";
import type { Page } from "../../templates/templates.ts";
import { text } from "../shell/words.ts";
import { toText, thumbnailOf } from "./cells.ts";
import { type Sent, sentValue, toOnce } from "./fields.ts";
import { type Entry, nameOf, type Person, VERBS } from "./history.ts";
import type { Records, Row } from "./records.ts";
import { toChosenFile } from "./uploads.ts";

interface Comment {
  readonly id: number;
  readonly body: string;
  readonly edited_at: string | null;
  readonly may_edit: boolean;
  readonly may_delete: boolean;
}

interface Attachment {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly url: string;
  readonly may_delete: boolean;
}

interface Activity {
  readonly kind: "comment" | "attachment" | "change";
  readonly at: string;
  readonly actor: Person | null;
  readonly viewer: Person | null;
  readonly comment: Comment | null;
  readonly attachment: Attachment | null;
  readonly change: Pick<Entry, "id" | "verb" | "changes"> | null;
}

/** What somebody has said or attached, and why that wasn't taken. */
export interface Refused {
  readonly body?: string;
  readonly bodyError?: string;
  readonly fileError?: string;
}

/** Shows the page of a row again, with what was refused. */
type Again = (refused: Refused) => Promise<Page>;

const MAX_FILES = 100;

/** What is said of a row, attached to it and done with it, as its page shows it; null where its resource takes nothing of that. */
export async function toDiscussion(
  records: Records,
  row: Row,
  { isDeleted, refused = {} }: { readonly isDeleted: boolean; readonly refused?: Refused | undefined },
) {
  const { about, api } = records;
  if (!about.comments && !about.attachments) return null;
  const id = row[about.key];
  const [activity, files] = await Promise.all([
    api.get<List<Activity>>(records.apiPathOf(id, "activity")),
    about.attachments
      ? api.get<List<Attachment>>(records.apiPathOf(id, "attachments"), { per_page: MAX_FILES })
      : null,
  ]);
  return {
    mayWrite: records.may("update") && !isDeleted,
    takesComments: about.comments,
    takesFiles: about.attachments,
    items: activity.items.map((item) => toItem(records, item)),
    hasMore: (activity.total ?? 0) > activity.items.length,
    files: files?.items.map(toFile) ?? [],
    refused,
  };
}

/** The page of all that has happened with a row. */
export async function showActivity(records: Records, id: string): Promise<Page> {
  const { api, ui, request, about } = records;
  const page = new URL(request.url).searchParams.get("page");
  const found = await api.get<List<Activity>>(records.apiPathOf(id, "activity"), { page });
  const row = await api.getIfAllowed<Row>(records.apiPathOf(id));
  return ui.page(request, "records/activity.html", {
    about,
    path: records.path,
    here: records.pathOf(id),
    title: row === null ? `${about.singular} ${id}` : records.titleOf(row),
    found,
    items: found.items.map((item) => toItem(records, item)),
  });
}

/** Says something of a row. */
export function sayOf(records: Records, id: string, sent: Sent, again: Again): Promise<Page | Response> {
  const body = toLines(sentValue(sent, "body") ?? "");
  return records.ui.act(records.request, {
    call: (api) => api.post(records.apiPathOf(id, "comments"), { body }, toOnce(sent, body)),
    done: { text: text("Your comment is there."), color: "success" },
    to: records.pathOf(id),
    again: (problem) => again({ body, bodyError: problem.fields["body"] ?? problem.message }),
  });
}

/** Changes or deletes a comment. */
export async function changeComment(
  records: Records,
  { id, comment }: { readonly id: string; readonly comment: string },
  sent: Sent,
): Promise<Page | Response> {
  const { ui, request } = records;
  const path = `${records.apiPathOf(id, "comments")}/${encodeURIComponent(comment)}`;
  const to = records.pathOf(id);
  if (sentValue(sent, "act") !== "delete") {
    const body = toLines(sentValue(sent, "body") ?? "");
    return ui.act(request, {
      call: (api) => api.patch(path, { body }),
      done: { text: text("Saved."), color: "success" },
      to,
    });
  }
  const asked = ui.confirm(request, sent, {
    title: text("Delete this comment?"),
    detail: text("It can't be restored."),
    button: text("Delete"),
    back: to,
  });
  const done = { text: text("The comment is deleted."), color: "success" } as const;
  return asked ?? ui.act(request, { call: (api) => api.delete(path), done, to });
}

/** Attaches a file to a row. */
export function attachTo(records: Records, id: string, sent: Sent, again: Again): Promise<Page | Response> {
  const { ui, request } = records;
  const to = records.pathOf(id);
  const file = toChosenFile(sent["file"]);
  if (file === null)
    return Promise.resolve(
      ui.redirect(request, to, { text: text("Choose a file first."), color: "warning" }),
    );
  const form = new FormData();
  form.append("file", file);
  return ui.act(request, {
    call: (api) => api.post(records.apiPathOf(id, "attachments"), form),
    done: { text: text("The file is attached."), color: "success" },
    to,
    again: (problem) => again({ fileError: problem.fields["file"] ?? problem.message }),
  });
}

/** Takes an attached file away once that is confirmed. */
export async function detachFrom(
  records: Records,
  { id, attachment }: { readonly id: string; readonly attachment: string },
  sent: Sent,
): Promise<Page | Response> {
  const { ui, request } = records;
  const to = records.pathOf(id);
  const asked = ui.confirm(request, sent, {
    title: text("Delete this file?"),
    detail: text("It can't be restored."),
    button: text("Delete"),
    back: to,
  });
  const path = `${records.apiPathOf(id, "attachments")}/${encodeURIComponent(attachment)}`;
  const done = { text: text("The file is deleted."), color: "success" } as const;
  return asked ?? ui.act(request, { call: (api) => api.delete(path), done, to });
}

function toItem(records: Records, { kind, at, actor, viewer, comment, attachment, change }: Activity) {
  return {
    kind,
    at,
    who: nameOf(actor),
    viewer: nameOf(viewer),
    comment,
    file: attachment === null ? null : toFile(attachment),
    verb: change === null ? null : VERBS[change.verb],
    columns:
      change?.verb === "create"
        ? []
        : Object.keys(change?.changes ?? {}).map((name) => records.column(name)?.label ?? name),
  };
}

function toFile(attachment: Attachment) {
  const { id, name, type, size, url, may_delete: mayDelete } = attachment;
  return { id, name: toText(name), size, href: url, thumb: thumbnailOf(type, url), mayDelete };
}

/** Forms send line breaks as CRLF. */
function toLines(typed: string): string {
  return typed.replaceAll("\r\n", "\n");
}
