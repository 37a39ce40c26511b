import { t } from "elysia";
import { invalidRequest } from "../../errors/codes.ts";
import { CLOSED } from "../../errors/plain-schema.ts";
import type { Given } from "../serving/endpoint.ts";
import type { Endpoint, ResourceRouter, ResourceRoutesOptions } from "../serving/endpoint.ts";
import type { ImportOptions } from "./plan.ts";

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

/** Adds `POST /deals/import`: makes, and changes, rows as a file says. */
export function addImport(router: ResourceRouter, endpoint: Endpoint, options: ResourceRoutesOptions): void {
  const { resource, db, writer } = options;
  router.post(
    `${endpoint.path}/import`,
    async ({ user, request, query }: Given) => {
      const access = endpoint.accessOf(user);
      const asked = toOptions(query as ImportQuery);
      const [{ readImportFile }, { importFile }, { toRefusal }] = await Promise.all([
        import("./request.ts"),
        import("./importer.ts"),
        import("./report.ts"),
      ]);
      const file = await readImportFile(request);
      const report = await importFile(file, asked, { db, writer, access });
      if (report.failed > 0 && !asked.skips && !asked.isDry) throw toRefusal(report);
      return report;
    },
    {
      ...endpoint.guard("write"),
      parse: "none",
      idempotent: true,
      query: Query,
      response: t.NoValidate(Report),
      detail: {
        summary: `Import ${resource.name}`,
        description:
          "A file of CSV, JSON or XLSX, as the body or in a form. Its first row names columns, also of other tables where these are unique: `company.name`.",
        requestBody: {
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
        },
      },
    },
  );
}

function toOptions({ dry_run: isDry = false, on_error: onError, key, map = [] }: ImportQuery): ImportOptions {
  const headers = map.map((pair): [string, string] => {
    const at = pair.lastIndexOf(":");
    if (at > 0) return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    throw invalidRequest([{ path: "/query/map", code: "invalid", message: 'Expected "header:column"' }]);
  });
  return { isDry, skips: onError === "skip", key: key ?? null, headers: new Map(headers) };
}
