import type { Page as List } from "../../db/paging/paginate.ts";
import type { Page } from "../../templates/templates.ts";
import { ApiProblem } from "../shell/api.ts";
import { isNumber, toCell } from "./cells.ts";
import { toChips, toFault, toFilters } from "./filters.ts";
import { COLUMNS, FILTERS, ListQuery, MODE, PER_PAGE, toAddress } from "./list-query.ts";
import type { Column, Records, Row } from "./records.ts";
import { firstHref, readViews, toViewMenu } from "./views.ts";

const NO_ROWS: List<Row> = { items: [], page: 1, per_page: 1, total: 0 };
/** Rows of a page. */
const SIZES = [10, 25, 50, 100];
const FORMATS = ["csv", "xlsx", "json"];
/** Whose values aren't written into a cell. */
const NOT_INLINE = new Set(["json", "text", "file"]);

/** The page of a resource's rows. */
export async function showList(records: Records): Promise<Page | Response> {
  const { request, about, ui } = records;
  const { search } = new URL(request.url);
  const query = new ListQuery(records, search);
  const views = await readViews(records);
  const first = search === "" ? firstHref(records, views) : null;
  if (first !== null) return ui.redirect(request, first);
  const [found, problem] = await findRows(records, query);
  const { columns, params } = query;
  const filter = params.get("filter") ?? "";
  const isOpen = params.has(FILTERS);
  return records.screen(
    "list",
    {
      about,
      path: records.path,
      found,
      views: toViewMenu(records, query, views),
      isEndless: query.isEndless,
      moreHref: toMore(query, found),
      isPastEnd: params.has("after"),
      per_page: Number(params.get("per_page") ?? PER_PAGE),
      sizes: SIZES,
      rows: found.items.map((row) => toRow(records, columns, row)),
      columns: columns.map((column) => toHeader(records, query, column)),
      choosable: about.columns.map(({ name, label }) => ({
        name,
        label,
        isShown: columns.some((column) => column.name === name),
      })),
      q: params.get("q") ?? "",
      filter,
      problem: problem?.message ?? null,
      fault: problem === null ? null : toFault(problem, filter),
      filters: isOpen ? await toFilters(records, query) : null,
      filterHref: query.with({ [FILTERS]: isOpen ? null : "1" }),
      chips: toChips(records, query),
      kept: {
        search: query.kept(new Set(["q"])),
        columns: query.kept(new Set([COLUMNS, MODE, "per_page"])),
        filters: query.kept(new Set([...filterNames(records), "filter", FILTERS])),
      },
      exports: FORMATS.map((format) => ({
        format,
        href: toAddress(`${records.path}/~export/${format}`, params),
      })),
      summaryHref: toAddress(`${records.path}/~summary`, params),
      isOfDeleted: query.isOfDeleted,
      deletedHref: query.with({ deleted: query.isOfDeleted ? null : "only" }),
      isNarrowed: ["q", "filter", ...filterNames(records)].some((name) => params.has(name)),
      may: {
        create: records.may("create"),
        update: records.may("update") && !query.isOfDeleted,
        delete: records.may("delete"),
      },
      here: toAddress(records.path, params),
    },
    problem === null ? {} : { status: problem.status },
  );
}

/** The rows, and what the API says where what is looked for isn't right. */
async function findRows(records: Records, query: ListQuery): Promise<[List<Row>, ApiProblem | null]> {
  try {
    return [await records.api.get<List<Row>>(records.about.path, query.toList()), null];
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 422) return [NO_ROWS, error];
    throw error;
  }
}

/** Where an endless list goes on; null at its end. */
function toMore(query: ListQuery, { items, total, next }: List<Row>): string | null {
  if (!query.isEndless || next === undefined || total === items.length) return null;
  return query.after(next);
}

/** The parameters by which the columns are narrowed down. */
function filterNames({ about }: Records): string[] {
  const suffixes = ["", ".ne", ".gt", ".gte", ".lt", ".lte", ".contains"];
  return about.columns.flatMap(({ name }) => suffixes.map((suffix) => name + suffix));
}

function toHeader({ about }: Records, query: ListQuery, column: Column) {
  const { name, label } = column;
  const [first = ""] = (query.params.get("sort") ?? "").split(",");
  const order = first === name ? "ascending" : first === `-${name}` ? "descending" : null;
  return {
    name,
    label,
    isNumber: isNumber(column),
    order,
    href: about.sortable.includes(name)
      ? query.with({ sort: order === "ascending" ? `-${name}` : name })
      : null,
  };
}

function toRow(records: Records, columns: readonly Column[], row: Row) {
  const id = row[records.about.key];
  const href = records.pathOf(id);
  return {
    id: String(id),
    title: records.titleOf(row),
    href,
    cells: columns.map((column) => ({
      ...toCell(records, column, row),
      label: column.label,
      isNumber: isNumber(column),
      edit: column.may_update && !NOT_INLINE.has(column.kind) ? `${href}/~cell/${column.name}` : null,
    })),
  };
}
