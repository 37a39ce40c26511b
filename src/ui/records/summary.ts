import type { Page } from "../../templates/templates.ts";
import { ListQuery, toAddress } from "./list-query.ts";
import { type Records, shorten } from "./records.ts";

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

/** What is added up, where it isn't rows that are counted. */
interface Value {
  readonly name: string;
  readonly label: string;
  /** Digits behind the point. */
  readonly scale: number;
}

/** A chart, and the table that has its figures. */
interface Panel {
  readonly group: Group | null;
  readonly value: Value | null;
}

const GROUP = "_group";
const VALUE = "_value";
/** Charts that are kept beside: what by, and of what, as "stage|amount". */
const PANEL = "_panel";
const MAX_PANELS = 6;
const MAX_GROUPS = 60;
const MAX_KEY = 1000; // characters of a group that a link leads to: an address has room for no more
const PERIODS = ["month", "quarter", "year"];
const SUMMABLE = new Set(["integer", "bigint", "decimal"]);
const WITHOUT = new Set([
  "page",
  "after",
  "per_page",
  "total",
  "sort",
  "fields",
  "expand",
  GROUP,
  VALUE,
  PANEL,
]);

/** The page of sums: how many rows there are, or how much they come to, by a column or by the time, as charts with their tables. */
export async function showSummary(records: Records): Promise<Page> {
  const { ui, request, about, path } = records;
  const query = new ListQuery(records, new URL(request.url).search);
  const groups = groupsOf(records);
  const values = about.columns
    .filter(({ kind }) => SUMMABLE.has(kind))
    .map(({ name, label, scale = 0 }): Value => ({ name, label, scale }));
  const toPanel = (group: string | null, value: string | null): Panel => ({
    group: groups.find(({ name }) => name === group) ?? groups[0] ?? null,
    value: values.find(({ name }) => name === value) ?? null,
  });
  const { params } = query;
  const first = toPanel(params.get(GROUP), params.get(VALUE));
  const kept = new Map(
    params.getAll(PANEL).map((name) => {
      const panel = toPanel(...(name.split("|", 2) as [string, string]));
      return [nameOf(panel), panel];
    }),
  );
  const isKept = kept.delete(nameOf(first));
  const others = [...kept.values()].slice(0, MAX_PANELS - 1);
  const here = `${path}/~summary`;
  const toPlace = (panels: readonly Panel[]): string => {
    const changed = new URLSearchParams(params);
    changed.delete(PANEL);
    for (const panel of panels) changed.append(PANEL, nameOf(panel));
    return toAddress(here, changed);
  };
  const mayKeep = !isKept && others.length < MAX_PANELS - 1;
  const panels = await Promise.all(
    [first, ...others].map(async (panel) => ({
      ...panel,
      ...(await readPanel(records, query, panel)),
      removeHref: panel === first ? null : toPlace(others.filter((one) => one !== panel)),
    })),
  );
  return ui.page(request, "records/summary.html", {
    about,
    path,
    groups,
    values,
    group: first.group?.name ?? "",
    value: first.value?.name ?? "",
    panels,
    hasChart: panels.some(({ bars }) => bars.length > 1),
    keepHref: mayKeep ? toPlace([...others, first]) : null,
    kept: query.kept(new Set([GROUP, VALUE])),
  });
}

async function readPanel(records: Records, query: ListQuery, { group, value }: Panel) {
  const wanted = Object.fromEntries(Object.entries(query.toWanted()).filter(([name]) => !WITHOUT.has(name)));
  const found = await records.api.get<Groups>(`${records.about.path}/aggregate`, {
    ...wanted,
    count: "true",
    ...(value !== null && { sum: value.name }),
    ...(group !== null && { group: group.name, sort: group.isTime ? group.name : "-count" }),
    limit: MAX_GROUPS,
  });
  const bars = found.items.map((item) => {
    const given = group === null ? null : (item.group[group.name] ?? null);
    const key = given === null ? null : String(given);
    const figure = value === null ? String(item.count) : (item.sum?.[value.name] ?? "0");
    return {
      label: key === null ? null : shorten(key),
      figure,
      size: Math.max(0, Number(figure)),
      href:
        group === null || group.isTime || key === null || key.length > MAX_KEY
          ? null
          : toRows(query, group.name, key),
    };
  });
  return {
    bars,
    digits: value?.scale ?? 0,
    most: Math.max(1, ...bars.map(({ size }) => size)),
    hasMore: found.has_more,
  };
}

function nameOf({ group, value }: Panel): string {
  return `${group?.name ?? ""}|${value?.name ?? ""}`;
}

/** The list of the rows of a group. */
function toRows(query: ListQuery, group: string, key: string): string {
  const narrowed = group.includes(".") ? { filter: `${group} = ${JSON.stringify(key)}` } : { [group]: key };
  return query.with({ [GROUP]: null, [VALUE]: null, [PANEL]: null, ...narrowed });
}

/** What rows can be put together by: columns with few values, and the time. */
function groupsOf(records: Records): Group[] {
  return records.about.columns.flatMap(({ name, label, kind, references }): Group[] => {
    const relation = records.relationOf(name);
    if (relation !== null && references?.title !== null && references !== null)
      return [{ name: `${relation}.${references.title}`, label, period: null, isTime: false }];
    if (kind === "enum" || kind === "boolean") return [{ name, label, period: null, isTime: false }];
    if (kind !== "date" && kind !== "timestamp") return [];
    return PERIODS.map((period) => ({ name: `${name}.${period}`, label, period, isTime: true }));
  });
}
