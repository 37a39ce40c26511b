import type { Page } from "../../templates/templates.ts";
import { ListQuery } from "./list-query.ts";
import type { Records } from "./records.ts";

interface Groups {
  readonly items: readonly {
    readonly group: Readonly<Record<string, string | number | boolean | null>>;
    readonly count: number;
    readonly sum?: Readonly<Record<string, string | null>>;
  }[];
  readonly has_more: boolean;
}

/** What rows can be put together by. */
interface Group {
  readonly name: string;
  readonly label: string;
  /** Of what is put together by the time. */
  readonly period: string | null;
  readonly isTime: boolean;
}

const GROUP = "_group";
const VALUE = "_value";
const MAX_GROUPS = 60;
const PERIODS = ["month", "quarter", "year"];
const SUMMABLE = new Set(["integer", "bigint", "decimal"]);
const WITHOUT = new Set(["page", "after", "per_page", "total", "sort", "fields", "expand", GROUP, VALUE]);

/** The page of sums: how many rows there are, or how much they come to, by a column or by the time. */
export async function showSummary(records: Records): Promise<Page> {
  const { api, ui, request, about } = records;
  const query = new ListQuery(records, new URL(request.url).search);
  const groups = groupsOf(records);
  const values = about.columns
    .filter(({ kind }) => SUMMABLE.has(kind))
    .map(({ name, label, scale = 0 }) => ({ name, label, scale }));
  const group = groups.find(({ name }) => name === query.params.get(GROUP)) ?? groups[0] ?? null;
  const value = values.find(({ name }) => name === query.params.get(VALUE)) ?? null;
  const wanted = Object.fromEntries(Object.entries(query.toWanted()).filter(([name]) => !WITHOUT.has(name)));
  const found = await api.get<Groups>(`${about.path}/aggregate`, {
    ...wanted,
    count: "true",
    ...(value !== null && { sum: value.name }),
    ...(group !== null && { group: group.name, sort: group.isTime ? group.name : "-count" }),
    limit: MAX_GROUPS,
  });
  const bars = found.items.map((item) => {
    const key = group === null ? null : (item.group[group.name] ?? null);
    const figure = value === null ? String(item.count) : (item.sum?.[value.name] ?? "0");
    return {
      label: key === null ? null : String(key),
      figure,
      size: Math.max(0, Number(figure)),
      count: item.count,
      href: group === null || group.isTime || key === null ? null : toRows(query, group.name, String(key)),
    };
  });
  return ui.page(request, "records/summary.html", {
    about,
    path: records.path,
    groups,
    values,
    group: group?.name ?? "",
    value: value?.name ?? "",
    digits: value?.scale ?? 0,
    bars,
    most: Math.max(1, ...bars.map(({ size }) => size)),
    hasMore: found.has_more,
    kept: query.kept(new Set([GROUP, VALUE])),
  });
}

/** The list of the rows of a group. */
function toRows(query: ListQuery, group: string, key: string): string {
  const narrowed = group.includes(".") ? { filter: `${group} = ${JSON.stringify(key)}` } : { [group]: key };
  return query.with({ [GROUP]: null, [VALUE]: null, ...narrowed });
}

/** What rows can be put together by: columns with few values, and the time. */
function groupsOf(
  records: Records,
): { name: string; label: string; period: string | null; isTime: boolean }[] {
  return records.about.columns.flatMap(({ name, label, kind, references }): Group[] => {
    const relation = records.relationOf(name);
    if (relation !== null && references?.title !== null && references !== null)
      return [{ name: `${relation}.${references.title}`, label, period: null, isTime: false }];
    if (kind === "enum" || kind === "boolean") return [{ name, label, period: null, isTime: false }];
    if (kind !== "date" && kind !== "timestamp") return [];
    return PERIODS.map((period) => ({ name: `${name}.${period}`, label, period, isTime: true }));
  });
}
