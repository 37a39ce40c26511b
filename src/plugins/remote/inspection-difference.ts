import { DIALECTS } from "../../db/contract/driver.ts";
import { OPEN, showGuards } from "../source/surface.ts";
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

/**
 * Lists what differs between two versions of a plugin: first the routes that have lost their guards, then what it is,
 * then what it brings.
 */
export function compareInspections(before: PluginInspection, after: PluginInspection): InspectionChange[] {
  const scalars = SCALARS.map((what) => ({ what, name: null, before: before[what], after: after[what] }));
  const surface = {
    what: "surface",
    name: null,
    before: describeSurface(before),
    after: describeSurface(after),
  };
  // What is declared no more isn't gone.
  const known = after.surface === null ? { ...before, surface: null } : before;
  const sides = [toItems(known), toItems(after)] as const;
  const items = [...new Set([...sides[0].keys(), ...sides[1].keys()])].map((key) => {
    const [what = "", ...name] = key.split(" ");
    return {
      what,
      name: name.join(" "),
      before: sides[0].get(key) ?? null,
      after: sides[1].get(key) ?? null,
    };
  });
  const changes = [surface, ...scalars, ...items].filter((change) => change.before !== change.after);
  return changes.toSorted((a, b) => Number(hasLostGuard(b)) - Number(hasLostGuard(a)));
}

/** Whether a route that asked for somebody is open now, or nothing is said of the routes any more. */
function hasLostGuard({ what, before, after }: InspectionChange): boolean {
  if (what === "surface") return after === null;
  return what === "route" && isGuarded(before) && after !== null && !isGuarded(after);
}

function isGuarded(guards: InspectionChange["before"]): boolean {
  return guards !== null && !String(guards).startsWith(OPEN);
}

function describeSurface({ surface }: PluginInspection): string | null {
  return surface && "declared";
}

/** Puts changes in words, a line each: "version 1.0.0 → 1.1.0", "+ route GET /invoices/export: OPEN". */
export function describeChanges(changes: readonly InspectionChange[]): string[] {
  return changes.map((change) => {
    const { what, name, before, after } = change;
    const subject = `${hasLostGuard(change) ? "! " : ""}${name === null ? what : `${what} ${name}`}`;
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
  for (const route of inspection.surface?.routes ?? [])
    items.set(`route ${route.method} ${route.path}`, showGuards(route));
  addNames("hook", inspection.surface?.hooks ?? []);
  addNames("table", inspection.surface?.tables ?? []);
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
