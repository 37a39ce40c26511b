import { DIALECTS } from "../../db/contract/dialect.ts";
import type { PluginInspection } from "../../plugins/remote/inspection.ts";
import { describeChanges, type InspectionChange } from "../../plugins/remote/inspection-difference.ts";
import { toCount, toTable } from "../terminal/output.ts";

const MAX_CELL = 200; // characters
const UNITS = ["bytes", "kB", "MB", "GB"];
// What a plugin says of itself could draw something else on the terminal.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Lays out what was found out about a plugin, as a person should read it before saying yes. */
export function toInspectionText(inspection: PluginInspection): string {
  const { name, version, description, author, routes } = inspection;
  const title = `${name} ${version}${description === null ? "" : `: ${toCell(description)}`}`;
  const rows: (readonly [string, string])[] = [
    ...(author === null ? [] : [["author", author] as const]),
    ["from", inspection.location],
    ["integrity", inspection.integrity],
    ...toRows("signed by", inspection.signers, "nobody"),
    ["code", toCode(inspection)],
    ...toRows("hosts", inspection.hosts, "none"),
    ...toRows("permissions", toPairs(inspection.permissions), "none"),
    ...toRows("plugins", toPairs(inspection.dependencies), "none"),
    ...toRows("npm packages", toPairs(inspection.packages), "none"),
    ...toRows(
      "migrations",
      DIALECTS.flatMap((dialect) => toMigrations(inspection, dialect)),
      "none",
    ),
    ...toRows(
      "routes",
      routes.map(({ method, path }) => `${method} ${path}`),
      "none were found",
    ),
    ["", toRouteNote(inspection)],
  ];
  const cells = rows.map(([key, value]) => [`  ${key}`, toCell(value)]);
  return `${title}\n${toTable(cells)}`;
}

/** Lays out what differs between the pinned version of a plugin and the new one. */
export function toChangesText(changes: readonly InspectionChange[]): string {
  const shown = changes.map((change) =>
    change.what === "size"
      ? { ...change, before: toSize(change.before), after: toSize(change.after) }
      : change,
  );
  return describeChanges(shown)
    .map((line) => `  ${toCell(line)}`)
    .join("\n");
}

/** A text on one line, without characters that a terminal would obey. */
export function toCell(text: string): string {
  const safe = text.replaceAll(UNPRINTABLE, "\uFFFD");
  return safe.length > MAX_CELL ? `${safe.slice(0, MAX_CELL - 1).toWellFormed()}…` : safe;
}

function toRows(key: string, values: readonly string[], none: string): [string, string][] {
  const shown = values.length === 0 ? [none] : values;
  return shown.map((value, index) => [index === 0 ? key : "", value]);
}

function toPairs(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([name, value]) => `${name}  ${value}`);
}

function toCode({ modules, files, size }: PluginInspection): string {
  return `${toCount(modules, "module")} in ${toCount(files, "file")}, ${toSize(size)}`;
}

function toMigrations({ migrations }: PluginInspection, dialect: (typeof DIALECTS)[number]): string[] {
  const names = migrations[dialect];
  return names.length === 0 ? [] : [`${dialect}: ${names.join(", ")}`];
}

function toRouteNote({ routes_complete: isComplete }: PluginInspection): string {
  const source = "(routes are read from the code, which was not run";
  return isComplete ? `${source})` : `${source}; not all of it could be read)`;
}

function toSize(bytes: number | string | null): string {
  let amount = Number(bytes);
  let unit = 0;
  while (amount >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${UNITS[unit] ?? ""}`;
}
