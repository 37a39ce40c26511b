import { t } from "elysia";
import { listOf, page } from "../../db/paging/paginate.ts";
import type { AttachmentSource, AttachmentWay } from "../discussion/attachments.ts";
import type { CommentWay } from "../discussion/comments.ts";
import { FileQuery, fileResponses } from "../../storage/routes.ts";
import { ACTOR, ENTRY } from "./history.ts";
import type { Endpoint, Given, ResourceRouter, ResourceRoutesOptions } from "./endpoint.ts";

const VIEWER = {
  viewer_id: t.Nullable(t.Integer({ description: "The administrator who viewed as the author" })),
  viewer: ACTOR,
};
const MOMENT = t.Unsafe<Date>({ type: "string", format: "date-time" });
const MAX_COMMENT = 10_000; // characters

/** Text that says something; no database takes U+0000. */
const CommentBody = t.Object({
  body: t.String({
    minLength: 1,
    maxLength: MAX_COMMENT,
    pattern: String.raw`^[^\u0000]*\S[^\u0000]*$`,
    description: "Text, as it is",
  }),
});
const Comment = t.Object({
  id: t.Integer(),
  body: t.String(),
  author_id: t.Integer(),
  author: ACTOR,
  ...VIEWER,
  created_at: MOMENT,
  edited_at: t.Nullable(MOMENT),
  may_edit: t.Boolean({ description: "Whether whoever asks may change it" }),
  may_delete: t.Boolean(),
});
const Attachment = t.Object({
  id: t.String({ format: "uuid" }),
  name: t.String(),
  type: t.String(),
  size: t.Integer({ description: "Bytes" }),
  url: t.String(),
  created_at: MOMENT,
  author_id: t.Nullable(t.Integer()),
  author: ACTOR,
  ...VIEWER,
  may_delete: t.Boolean(),
});
const ActivityItem = t.Object({
  kind: t.UnionEnum(["comment", "attachment", "change"]),
  at: MOMENT,
  actor: ACTOR,
  viewer: ACTOR,
  comment: t.Nullable(Comment),
  attachment: t.Nullable(Attachment),
  change: t.Nullable(t.Pick(ENTRY, ["id", "verb", "changes"])),
});

interface Options extends ResourceRoutesOptions {
  readonly toSource: (given: Given) => AttachmentSource;
  /** What saying something asks for: a name, at least. */
  readonly writes: object;
}

/** Adds the routes of what is said of rows, of what is attached to them, and of all that happens with them. */
export function addDiscussion(
  router: ResourceRouter,
  endpoint: Endpoint,
  options: ResourceRoutesOptions,
): void {
  const { resource } = options;
  const { hasComments, attachments, isOpen } = resource.discussion;
  if (!isOpen) return;
  const toSource = ({ user }: Given): AttachmentSource => ({ ...options, access: endpoint.accessOf(user) });
  const writes = resource.permission === null ? { auth: true } : endpoint.guard("write");
  const all: Options = { ...options, toSource, writes };
  if (hasComments) {
    addComments(router, endpoint, all);
    addOwnComments(router, endpoint, all);
  }
  if (attachments !== null) {
    addAttachments(router, endpoint, all);
    addOneAttachment(router, endpoint, all);
  }
  addActivity(router, endpoint, all);
}

function addComments(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, toSource, writes }: Options,
): void {
  const path = `${endpoint.path}/:id/comments`;
  router.get(
    path,
    async (given) =>
      (await import("../discussion/comments.ts")).listComments(toSource(given), given.params.id, given.query),
    {
      ...endpoint.guard("read"),
      params: endpoint.key,
      query: page,
      response: t.NoValidate(listOf(Comment)),
      detail: { summary: `List the comments on a ${resource.singular}, the latest first` },
    },
  );
  router.post(
    path,
    async (given) => {
      const { addComment } = await import("../discussion/comments.ts");
      given.set.status = 201;
      return addComment(toSource(given), given.params.id, toText(given));
    },
    {
      ...writes,
      idempotent: true,
      params: endpoint.key,
      body: CommentBody,
      response: { 201: t.NoValidate(Comment) },
      detail: { summary: `Comment on a ${resource.singular}` },
    },
  );
}

/** Of what has been said already. */
function addOwnComments(router: ResourceRouter, endpoint: Endpoint, { toSource, writes }: Options): void {
  const one = `${endpoint.path}/:id/comments/:comment`;
  const way = t.Object({ ...endpoint.key.properties, comment: t.Integer({ minimum: 1 }) });
  router.patch(
    one,
    async (given) => {
      const { editComment } = await import("../discussion/comments.ts");
      return editComment(toSource(given), given.params as unknown as CommentWay, toText(given));
    },
    {
      ...writes,
      params: way,
      body: CommentBody,
      response: t.NoValidate(Comment),
      detail: { summary: "Change a comment of your own" },
    },
  );
  router.delete(
    one,
    async (given) => {
      const { removeComment } = await import("../discussion/comments.ts");
      await removeComment(toSource(given), given.params as unknown as CommentWay);
      given.set.status = 204;
    },
    {
      auth: true,
      params: way,
      response: { 204: t.Void() },
      detail: { summary: "Delete a comment: one of your own, or any where you may delete rows" },
    },
  );
}

function addAttachments(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, toSource, writes }: Options,
): void {
  const path = `${endpoint.path}/:id/attachments`;
  router.get(
    path,
    async (given) => {
      const { listAttachments } = await import("../discussion/attachments.ts");
      return listAttachments(toSource(given), given.params.id, given.query);
    },
    {
      ...endpoint.guard("read"),
      params: endpoint.key,
      query: page,
      response: t.NoValidate(listOf(Attachment)),
      detail: { summary: `List the files attached to a ${resource.singular}, the latest first` },
    },
  );
  router.post(
    path,
    async (given) => {
      const { attach } = await import("../discussion/attachments.ts");
      given.set.status = 201;
      return attach(toSource(given), given.params.id, (given.body as { readonly file: File }).file);
    },
    {
      ...writes,
      idempotent: true,
      params: endpoint.key,
      body: t.Object({ file: t.File() }),
      response: { 201: t.NoValidate(Attachment) },
      detail: { summary: `Attach a file to a ${resource.singular}` },
    },
  );
}

function addOneAttachment(router: ResourceRouter, endpoint: Endpoint, { resource, toSource }: Options): void {
  const one = `${endpoint.path}/:id/attachments/:attachment`;
  const way = t.Object({ ...endpoint.key.properties, attachment: t.String({ format: "uuid" }) });
  router.get(
    one,
    async (given) => {
      const { findAttachment } = await import("../discussion/attachments.ts");
      const source = toSource(given);
      const file = await findAttachment(source, given.params as unknown as AttachmentWay);
      const library = await source.storage.library();
      return library.answer(file, given.request, given.query as typeof FileQuery.static);
    },
    {
      ...endpoint.guard("read"),
      params: way,
      query: FileQuery,
      detail: { summary: `Read a file attached to a ${resource.singular}`, responses: fileResponses },
    },
  );
  router.delete(
    one,
    async (given) => {
      const { detach } = await import("../discussion/attachments.ts");
      await detach(toSource(given), given.params as unknown as AttachmentWay);
      given.set.status = 204;
    },
    {
      auth: true,
      params: way,
      response: { 204: t.Void() },
      detail: { summary: "Delete an attached file: one of your own, or any where you may delete rows" },
    },
  );
}

function addActivity(router: ResourceRouter, endpoint: Endpoint, { resource, toSource }: Options): void {
  const { page: number, per_page: size } = page.properties;
  router.get(
    `${endpoint.path}/:id/activity`,
    async (given) =>
      (await import("../discussion/activity.ts")).listActivity(toSource(given), given.params.id, given.query),
    {
      ...endpoint.guard("read"),
      params: endpoint.key,
      query: t.Object({ page: number, per_page: size }),
      response: t.NoValidate(listOf(ActivityItem)),
      detail: {
        summary: `List what has happened with a ${resource.singular}, the latest first`,
        description: "Its comments, attachments and history, as far as it has them.",
      },
    },
  );
}

function toText({ body }: Given): string {
  return (body as unknown as typeof CommentBody.static).body;
}
