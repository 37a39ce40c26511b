import { t } from "elysia";
import { invalidRequest } from "../../errors/codes.ts";
import { CLOSED } from "../../errors/plain-schema.ts";
import type { Given } from "../serving/endpoint.ts";
import type { Endpoint, ResourceRouter, ResourceRoutesOptions } from "../serving/endpoint.ts";
import { pathOf } from "../../web/request-path.ts";
import type { ImportJobs } from "./definition.ts";
import type { ImportStatus } from "./desk.ts";
import type { ImportGround } from "../import/importer.ts";
import type { ImportOptions } from "../import/plan.ts";
import type { ImportReport } from "../import/report.ts";
import type { ImportFile } from "../import/source.ts";

export interface ImportRoutesOptions extends ResourceRoutesOptions {
  readonly imports: ImportJobs;
}

interface ImportQuery {
  readonly dry_run?: boolean;
  readonly on_error?: "stop" | "skip";
  readonly key?: string;
  readonly map?: readonly string[];
}

const MAX_MAPPED = 500;

const Query = t.Object(
  {
    dry_run: t.Optional(
      t.Boolean({ default: false, description: "Tries it, and tells what would happen to each row" }),
    ),
    on_error: t.Optional(
      t.UnionEnum(["stop", "skip"], {
        default: "stop",
        description: "With mistakes in some rows: imports nothing, or all the others",
      }),
    ),
    key: t.Optional(
      t.String({
        maxLength: 100,
        description: "A unique column: rows that are there with its value are changed, others are made",
      }),
    ),
    map: t.Optional(
      t.Array(t.String({ maxLength: 500 }), {
        maxItems: MAX_MAPPED,
        description: "What a column of the file is for: `Deal name:title`; `Remarks:` leaves one out",
      }),
    ),
  },
  // A misspelt dry_run would be none.
  { additionalProperties: false, [CLOSED]: true },
);

const Report = t.Object({
  dry_run: t.Boolean(),
  total: t.Integer(),
  created: t.Integer(),
  updated: t.Integer(),
  unchanged: t.Integer(),
  failed: t.Integer(),
  errors: t.Array(
    t.Object({
      line: t.Integer(),
      column: t.Nullable(t.String()),
      path: t.String(),
      code: t.String(),
      message: t.String(),
    }),
  ),
  rows: t.Optional(
    t.Array(
      t.Object({
        line: t.Integer(),
        outcome: t.UnionEnum(["created", "updated", "unchanged", "failed"]),
      }),
    ),
  ),
});

const Status = t.Object({
  id: t.String({ format: "uuid" }),
  job_id: t.String({ format: "uuid" }),
  state: t.UnionEnum(["waiting", "running", "completed", "failed", "cancelled"]),
  progress: t.Number({ minimum: 0, maximum: 1 }),
  progress_text: t.Nullable(t.String()),
  created_at: t.String({ format: "date-time" }),
  ended_at: t.Nullable(t.String({ format: "date-time" })),
  report: t.Nullable(Report),
  error: t.Nullable(
    t.Object({
      code: t.String(),
      status: t.Integer(),
      detail: t.String(),
      errors: t.Optional(t.Array(t.Object({ path: t.String(), code: t.String(), message: t.String() }))),
    }),
  ),
});

const Id = t.Object({ id: t.String({ format: "uuid" }) });
/** Bytes of a file that isn't waited for: it would take longer than a request should. */
const LARGE = 4 * 1024 * 1024;
/** Of what a client would rather have (RFC 7240, 4.1): not to wait. */
const ASYNC = /(?:^|,)\s*respond-async\s*(?=[,;]|$)/i;
const APPLIED = "respond-async";
const RETRY_SECONDS = "1";

/** Adds `POST /deals/import`: makes, and changes, rows as a file says; large ones by a job, which has a route of its own. */
export function addImport(router: ResourceRouter, endpoint: Endpoint, options: ImportRoutesOptions): void {
  const { resource } = options;
  router.post(
    `${endpoint.path}/import`,
    async (given: Given) => {
      const { readImportFile } = await import("../import/request.ts");
      const asked = toOptions(given.query as ImportQuery);
      const file = await readImportFile(given.request);
      const isAsked = ASYNC.test(given.request.headers.get("prefer") ?? "");
      if (!isAsked && file.bytes.length <= LARGE)
        return importNow(file, asked, { ...options, access: endpoint.accessOf(given.user) });
      return importLater(file, asked, { given, options, isAsked });
    },
    {
      ...endpoint.guard("write"),
      parse: "none",
      idempotent: true,
      query: Query,
      response: { 200: t.NoValidate(Report), 202: t.NoValidate(Status) },
      detail: {
        summary: `Import ${resource.name}`,
        description:
          "A file of CSV, JSON or XLSX, as the body or in a form. Its first row names columns, also of other tables where these are unique: `company.name`. Files of more than 4 MB, and with `Prefer: respond-async` all, are imported in the background: 202.",
        requestBody: toRequestBody(),
      },
    },
  );
  addImportStatus(router, endpoint, options);
}

/** Adds the routes that say how far an import in the background is, and that cancel it. */
function addImportStatus(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, imports }: ImportRoutesOptions,
): void {
  const path = `${endpoint.path}/import/:id`;
  // Whoever may not write any more is told that of their import.
  const guard = resource.permission === null ? { optionalAuth: true } : { auth: true };
  router.get(
    path,
    async ({ user, params: { id }, set }) => {
      const { desk, options } = await imports.open();
      const status = await desk.readImport(String(id), user, options);
      if (status.ended_at === null) set.headers["retry-after"] = RETRY_SECONDS;
      return status;
    },
    {
      ...guard,
      params: Id,
      response: t.NoValidate(Status),
      detail: { summary: `Say how far an import of ${resource.name} is, and what came of it` },
    },
  );
  router.delete(
    path,
    async ({ user, params: { id }, set }) => {
      const { desk, options } = await imports.open();
      await desk.removeImport(String(id), user, options);
      set.status = 204;
    },
    {
      ...guard,
      params: Id,
      response: { 204: t.Void() },
      detail: { summary: `Cancel an import of ${resource.name}, or forget one that has ended` },
    },
  );
}

async function importNow(
  file: ImportFile,
  asked: ImportOptions,
  { db, writer, access }: ImportGround,
): Promise<ImportReport> {
  const [{ importFile }, { toRefusal }] = await Promise.all([
    import("../import/importer.ts"),
    import("../import/report.ts"),
  ]);
  const report = await importFile(file, { options: asked }, { db, writer, access });
  if (report.failed > 0 && !asked.skips && !asked.isDry) throw toRefusal(report);
  return report;
}

async function importLater(
  file: ImportFile,
  asked: ImportOptions,
  {
    given: { request, set },
    options: { imports, principalOf },
    isAsked,
  }: { readonly given: Given; readonly options: ImportRoutesOptions; readonly isAsked: boolean },
): Promise<ImportStatus> {
  const { desk, options } = await imports.open();
  const status = await desk.beginImport(file, { options: asked, principal: principalOf(request) }, options);
  set.status = 202;
  set.headers["location"] = `${pathOf(request.url).replace(/\/$/, "")}/${status.id}`;
  set.headers["retry-after"] = RETRY_SECONDS;
  if (isAsked) set.headers["preference-applied"] = APPLIED;
  return status;
}

function toRequestBody(): object {
  return {
    required: true,
    content: {
      "text/csv": { schema: { type: "string" } },
      "application/json": { schema: { type: "array", items: { type: "object" } } },
      "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
        schema: { type: "string", format: "binary" },
      },
      "multipart/form-data": {
        schema: { type: "object", properties: { file: { type: "string", format: "binary" } } },
      },
    },
  };
}

function toOptions({ dry_run: isDry = false, on_error: onError, key, map = [] }: ImportQuery): ImportOptions {
  const headers = map.map((pair): [string, string] => {
    const at = pair.lastIndexOf(":");
    if (at > 0) return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    throw invalidRequest([{ path: "/query/map", code: "invalid", message: 'Expected "header:column"' }]);
  });
  return { isDry, skips: onError === "skip", key: key ?? null, headers: new Map(headers) };
}
