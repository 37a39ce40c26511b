import { type TSchema, t } from "elysia";
import type { PgTable } from "drizzle-orm/pg-core";
import { readInPieces } from "../../db/paging/row-pieces.ts";
import { toByteStream } from "../../web/answers.ts";
import { fail } from "../../errors/codes.ts";
import { CLOSED } from "../../errors/plain-schema.ts";
import type { Access } from "../access/access.ts";
import { toRowsCondition } from "../reading/conditions.ts";
import { findIndexed } from "../reading/search.ts";
import type { Row } from "../reading/expand.ts";
import { toShape } from "../reading/fields.ts";
import type { ListQuery } from "../reading/rows.ts";
import { listQueryOf } from "../schemas/queries.ts";
import type { Endpoint, ResourceRouter, ResourceRoutesOptions } from "../serving/endpoint.ts";

interface ExportQuery extends ListQuery {
  readonly bom?: boolean;
}

type Format = "csv" | "json" | "xlsx";

const TYPES: Readonly<Record<Format, string>> = {
  csv: "text/csv; charset=utf-8",
  json: "application/json",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};
/** Rows that are read at once: few enough to be formatted while others hardly wait. */
const PIECE = 100;
/** Of a list, and not of a whole export. */
const OF_PAGES = ["page", "per_page", "total", "after", "expand"];

/** Adds `GET /deals/export.csv`, `.json` and `.xlsx`: all rows that a list with the same query has. */
export function addExport(router: ResourceRouter, endpoint: Endpoint, options: ResourceRoutesOptions): void {
  const { resource } = options;
  for (const format of ["csv", "json", "xlsx"] as const) {
    router.get(
      `${endpoint.path}/export.${format}`,
      ({ user, query }) => exportRows(endpoint.accessOf(user), format, query, { endpoint, options }),
      {
        ...endpoint.guard("read"),
        query: querySchemaOf(endpoint, options, format),
        detail: {
          summary: `Export ${resource.name} as ${format.toUpperCase()}`,
          description: "All that match, as a file. It is streamed: an error on the way cuts it off.",
          responses: {
            200: {
              description: "The file",
              content: {
                [TYPES[format]]: { schema: format === "json" ? t.Array(endpoint.answer) : t.String() },
              },
            },
          },
        },
      },
    );
  }
}

function querySchemaOf(
  { parameters }: Endpoint,
  { resource }: ResourceRoutesOptions,
  format: Format,
): TSchema {
  const { properties } = listQueryOf(resource, parameters);
  const own = Object.entries<TSchema>(properties).filter(([name]) => !OF_PAGES.includes(name));
  const bom = t.Optional(
    t.Boolean({ default: true, description: "Begins with a byte order mark, which Excel asks for" }),
  );
  const schema = t.Object({ ...Object.fromEntries(own), ...(format === "csv" && { bom }) });
  // A misspelt parameter would export all rows.
  return { ...schema, additionalProperties: false, [CLOSED]: true };
}

async function exportRows(
  access: Access,
  format: Format,
  query: ExportQuery,
  {
    endpoint: { parameters },
    options: { db },
  }: { readonly endpoint: Endpoint; readonly options: ResourceRoutesOptions },
): Promise<Response> {
  const { resource, visible } = access;
  const { columns } = toShape(access, { fields: query.fields });
  const indexed = await findIndexed(db, access, query.q);
  const condition = toRowsCondition(access, query, { parameters, indexed });
  const table = resource.table as PgTable;
  const sheets = await import("./sheets.ts");
  if (format === "xlsx") assertRoom(await db.$count(table, condition), sheets.MAX_SHEET_ROWS);
  const pieces = await begin(
    readInPieces(db.select().from(table).where(condition), {
      sort: query.sort ?? "",
      names: resource.sort.filter((name) => visible.has(name)),
      size: PIECE,
    }) as AsyncGenerator<Row[]>,
  );
  const shown = sheets.toSheetColumns(columns ?? [...visible.keys()], visible);
  const file =
    format === "xlsx"
      ? sheets.writeXlsx(pieces, shown, resource.name)
      : format === "csv"
        ? sheets.writeCsv(pieces, shown, { bom: query.bom ?? true })
        : sheets.writeJson(pieces, shown);
  return new Response(toByteStream(file), {
    headers: {
      "content-type": TYPES[format],
      "content-disposition": `attachment; filename="${resource.name}.${format}"`,
    },
  });
}

/** @throws AppError validation_error for more rows than a sheet has room for */
function assertRoom(count: number, max: number): void {
  if (count <= max) return;
  const message = `An XLSX sheet has room for ${max} rows, and there are ${count}: narrow them with a filter, or take CSV or JSON`;
  throw fail("validation_error", message, { errors: [{ path: "/query", code: "too_many", message }] });
}

/** Reads the first piece, so that what is wrong with the query is answered before there is a file. */
async function begin<T>(pieces: AsyncGenerator<T>): Promise<AsyncGenerator<T>> {
  const first = await pieces.next();
  return (async function* () {
    if (first.done === true) return;
    yield first.value;
    yield* pieces;
  })();
}
