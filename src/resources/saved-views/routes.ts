import { Elysia, t } from "elysia";
import type { Guards } from "../../accounts/identity/guards.ts";
import type { User } from "../../accounts/identity/principal.ts";
import type { CoreStore } from "../../accounts/people/store.ts";
import { listOf, page } from "../../db/paging/paginate.ts";
import { CLOSED } from "../../errors/plain-schema.ts";
import { invalidRequest } from "../../errors/codes.ts";
import { type ReadableOptions, ReadableResources } from "../admin/readable.ts";
import { type Asked, SavedViews, SHARE, toTag, type ViewInput } from "./views.ts";

export interface SavedViewRoutesOptions extends ReadableOptions {
  readonly store: CoreStore;
  readonly guards: Guards;
}

const TAGS = { tags: ["system"] };
const MAX_COLUMNS = 200;
const MAX_VALUE = 4000; // characters
const MAX_VALUES = 100;
/** Of columns and query together, as JSON. */
const MAX_SIZE = 16 * 1024; // bytes

const Value = t.String({ maxLength: MAX_VALUE });
const Columns = t.Nullable(
  t.Array(t.String({ minLength: 1, maxLength: 64 }), { maxItems: MAX_COLUMNS, uniqueItems: true }),
  {
    description: "Names, in order; null for those that the list shows of itself",
  },
);
const Query = t.Record(
  t.String({ minLength: 1, maxLength: 128 }),
  t.Union([Value, t.Array(Value, { minItems: 1, maxItems: MAX_VALUES })]),
  {
    description: 'Parameters of the list, all but page and after: `{ "stage": ["open"], "sort": "-amount" }`',
  },
);
const Mode = t.UnionEnum(["paged", "endless"], {
  description: "Whether its page shows pages, or goes on as it is scrolled",
});
const Name = t.String({
  minLength: 1,
  maxLength: 100,
  pattern: "^[^\\s\\x00-\\x1f\\x7f](?:[^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$",
});
const IsShared = t.Boolean({
  description: `Whether everybody who may read the resource sees it: takes ${SHARE}`,
});

const Changed = {
  name: t.Optional(Name),
  is_shared: t.Optional(IsShared),
  columns: t.Optional(Columns),
  query: t.Optional(Query),
  mode: t.Optional(Mode),
};

/** A view, as routes answer with it. */
const View = t.Object({
  id: t.Integer(),
  name: t.String(),
  is_shared: IsShared,
  is_default: t.Boolean({ description: "Whether your list begins with it" }),
  may_change: t.Boolean({ description: "Whether you may change and delete it" }),
  columns: Columns,
  query: Query,
  mode: Mode,
  version: t.Integer(),
  is_complete: t.Boolean({ description: "Whether all that was saved is there to you" }),
  missing: t.Array(t.String(), { description: "Columns and parameters that aren't any more" }),
  created_at: t.String({ format: "date-time" }),
  updated_at: t.String({ format: "date-time" }),
});

const Place = t.Object({ name: t.String({ maxLength: 200, description: "Of the resource: crm.deals" }) });
const One = t.Object({
  ...Place.properties,
  id: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
});
const TAG = /^\s*(?:W\/)?"?(\d{1,15})"?\s*$/;

/** Serves the views that people save of the lists of resources, below `/system/resources/{name}/views`. */
export function savedViewRoutes(options: SavedViewRoutesOptions) {
  const desk: Desk = { views: new SavedViews(options.store), resources: new ReadableResources(options) };
  return new Elysia({ name: "xcore/resources/views", prefix: "/system/resources/:name/views", detail: TAGS })
    .use(listRoutes(options, desk))
    .use(viewRoutes(options, desk));
}

interface Desk {
  readonly views: SavedViews;
  readonly resources: ReadableResources;
}

function ask(
  { resources }: Desk,
  { user, params }: { readonly user: User; readonly params: { readonly name: string } },
): Asked {
  return { user, access: resources.open(user, params.name) };
}

function listRoutes({ guards }: SavedViewRoutesOptions, desk: Desk) {
  return new Elysia({ name: "xcore/resources/views/list", detail: TAGS })
    .use(guards)
    .get("", (context) => desk.views.list(ask(desk, context), context.query), {
      auth: true,
      params: Place,
      query: page,
      response: listOf(View),
      detail: { summary: "The views of a list: your own, and those that everybody sees" },
    })
    .post(
      "",
      async (context) => {
        const { body, set, status } = context;
        assertSize(body);
        const view = await desk.views.create(ask(desk, context), body);
        set.headers["etag"] = toTag(view);
        return status(201, view);
      },
      {
        auth: true,
        idempotent: true,
        params: Place,
        body: t.Object({ ...Changed, name: Name }, { additionalProperties: false, [CLOSED]: true }),
        response: { 201: View },
        detail: { summary: "Save a view" },
      },
    );
}

/** Of one view. */
function viewRoutes({ guards }: SavedViewRoutesOptions, desk: Desk) {
  return new Elysia({ name: "xcore/resources/views/one", detail: TAGS })
    .use(guards)
    .get(
      "/:id",
      async (context) => {
        const view = await desk.views.read(ask(desk, context), context.params.id);
        context.set.headers["etag"] = toTag(view);
        return view;
      },
      { auth: true, params: One, response: View, detail: { summary: "One view" } },
    )
    .patch(
      "/:id",
      async (context) => {
        const { params, body, request, set } = context;
        assertSize(body);
        const change = { given: body, version: toVersion(request) };
        const view = await desk.views.change(ask(desk, context), params.id, change);
        set.headers["etag"] = toTag(view);
        return view;
      },
      {
        auth: true,
        params: One,
        body: t.Object(Changed, { additionalProperties: false, minProperties: 1, [CLOSED]: true }),
        response: View,
        detail: {
          summary: "Change a view: what isn't named stays. With if-match, only the one that you have read",
        },
      },
    )
    .delete(
      "/:id",
      async (context) => {
        await desk.views.remove(ask(desk, context), context.params.id);
        return context.status(204, undefined);
      },
      { auth: true, params: One, response: { 204: t.Void() }, detail: { summary: "Delete a view" } },
    )
    .put("/:id/default", (context) => desk.views.setDefault(ask(desk, context), context.params.id, true), {
      auth: true,
      params: One,
      response: View,
      detail: { summary: "Begin your list with a view" },
    })
    .delete(
      "/:id/default",
      (context) => desk.views.setDefault(ask(desk, context), context.params.id, false),
      {
        auth: true,
        params: One,
        response: View,
        detail: { summary: "Begin your list with it no longer" },
      },
    );
}

function assertSize({ columns, query }: Partial<ViewInput>): void {
  const size = Buffer.byteLength(JSON.stringify([columns, query]));
  if (size > MAX_SIZE)
    throw invalidRequest([
      {
        path: "/body/query",
        code: "too_long",
        message: `Expected at most ${MAX_SIZE} bytes with the columns, got ${size}`,
      },
    ]);
}

/** The version that a request holds its change to; null for any. */
function toVersion({ headers }: Request): number | null {
  const ifMatch = headers.get("if-match");
  if (ifMatch === null || ifMatch.trim() === "*") return null;
  // What is no tag of ours is of no version.
  return Number(TAG.exec(ifMatch)?.[1] ?? 0);
}
