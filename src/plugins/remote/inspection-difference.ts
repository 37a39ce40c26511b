import { DIALECTS } from "../../db/contract/dialect.ts";
import type { PluginInspection } from "./inspection.ts";

/** One thing that differs between two versions of a plugin. */
export interface InspectionChange {
  /** "version", "size", "route", "permission", "package", … */
  readonly what: string;
  /** Which one, of what there are several of; null otherwise. */
  readonly name: string | null;
  /** What it was; null when it is new. */
  readonly before: string | number | null;
  /** What it is; null when it is gone. */
  readonly after: string | number | null;
}

const SCALARS = [
  "name",
  "version",
  "description",
  "author",
  "entry",
  "api_prefix",
  "modules",
  "files",
  "size",
  "integrity",
] as const;

/** Lists what differs between two versions of a plugin: first what it is, then what it brings. */
export function compareInspections(before: PluginInspection, after: PluginInspection): InspectionChange[] {
  const scalars = SCALARS.map((what) => ({ what, name: null, before: before[what], after: after[what] }));
  const sides = [toItems(before), toItems(after)] as const;
  const items = [...new Set([...sides[0].keys(), ...sides[1].keys()])].map((key) => {
    const [what = "", ...name] = key.split(" ");
    return {
      what,
      name: name.join(" "),
      before: sides[0].get(key) ?? null,
      after: sides[1].get(key) ?? null,
    };
  });
  return [...scalars, ...items].filter((change) => change.before !== change.after);
}

/** Puts changes in words, a line each: "version 1.0.0 → 1.1.0", "+ route GET /invoices/export". */
export function describeChanges(changes: readonly InspectionChange[]): string[] {
  return changes.map(({ what, name, before, after }) => {
    const subject = name === null ? what : `${what} ${name}`;
    if (name === null) return `${subject} ${before ?? "none"} → ${after ?? "none"}`;
    if (before === null) return `+ ${subject}${toDetail(name, after)}`;
    if (after === null) return `- ${subject}${toDetail(name, before)}`;
    return `${subject}: ${before} → ${after}`;
  });
}

function toDetail(name: string, value: string | number | null): string {
  return value === name || value === null || value === "" ? "" : `: ${value}`;
}

/** What there are several of, by kind and name. */
function toItems(inspection: PluginInspection): Map<string, string> {
  const items = new Map<string, string>();
  const addNames = (what: string, names: readonly string[]): void => {
    for (const name of names) items.set(`${what} ${name}`, name);
  };
  const addValues = (what: string, values: Readonly<Record<string, string>>): void => {
    for (const [name, value] of Object.entries(values)) items.set(`${what} ${name}`, value);
  };
  addNames("host", inspection.hosts);
  addNames("signer", inspection.signers);
  addNames(
    "route",
    inspection.routes.map(({ method, path }) => `${method} ${path}`),
  );
  addValues("permission", inspection.permissions);
  addValues("dependency", inspection.dependencies);
  addValues("package", inspection.packages);
  for (const dialect of DIALECTS) {
    addNames(
      "migration",
      inspection.migrations[dialect].map((name) => `${dialect}/${name}`),
    );
  }
  return items;
}
