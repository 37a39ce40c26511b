import { DIALECTS } from "../../db/contract/driver.ts";
import {
  describeChanges,
  type InspectionChange,
  type PluginInspection,
} from "../../plugins/remote/inspection.ts";
import { isOpen, OPEN, showGuards, type Surface } from "../../plugins/source/surface.ts";
import { toCount, toTable } from "../terminal/output.ts";

/** What is said of the surface of a plugin that declares none. */
export const NO_SURFACE = "declares none: its routes are known once it runs";
const MAX_CELL = 200; // characters
const MAX_GUARDS = 40; // characters that are lined up
const UNITS = ["bytes", "kB", "MB", "GB"];
// What a plugin says of itself could draw something else on the terminal.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Lays out what was found out about a plugin, as a person should read it before saying yes. */
export function toInspectionText(inspection: PluginInspection): string {
  const { name, version, description, author, surface } = inspection;
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
    ...(surface === null ? [["surface", NO_SURFACE] as const] : toSurfaceRows(surface)),
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

/** The open routes first; the guards before the paths, whose ends may be cut off. */
function toSurfaceRows({ routes, hooks, tables, jobs = [] }: Surface): [string, string][] {
  const shown = routes.toSorted((a, b) => Number(isOpen(b)) - Number(isOpen(a)));
  const width = Math.min(MAX_GUARDS, Math.max(...shown.map((route) => showGuards(route).length)));
  const lines = shown.map((route) => `${showGuards(route).padEnd(width)}  ${route.method} ${route.path}`);
  if (routes.some(isOpen)) lines.push(`(${OPEN}: no guard of xcore asks who it is)`);
  return [
    ...toRows("routes", lines, "none"),
    ...toRows("listens to", hooks, "nothing"),
    ...toRows("tables", tables, "none"),
    ...(jobs.length === 0
      ? []
      : toRows(
          "jobs",
          jobs.map(({ name }) => name),
          "none",
        )),
  ];
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
