import satisfies from "semver/functions/satisfies.js";
import { PluginError } from "../failure/failure.ts";
import type { PluginSource } from "../source/files.ts";
import type { Manifest } from "../source/manifest.ts";

/** A plugin as far as its relations to the others go. */
export interface Candidate {
  readonly source: PluginSource;
  readonly manifest: Manifest;
  /** The manifest that it serves with now, null when it doesn't: it keeps its name and prefix against others. */
  readonly serving: Manifest | null;
}

/** What must be loaded before what, and what can't be loaded at all. */
export interface Resolution {
  /** Ids of the active plugins that can be loaded, dependencies first. */
  readonly order: readonly string[];
  /** Ids of the plugins that each one depends on. */
  readonly dependencies: ReadonlyMap<string, readonly string[]>;
  /** Why the others can't be. */
  readonly problems: ReadonlyMap<string, PluginError>;
}

/** Puts plugins into the order of their dependencies; the same input always gives the same order. */
export function resolvePlugins(candidates: readonly Candidate[]): Resolution {
  const problems = new Map<string, PluginError>();
  const byName = claim("name", candidates, problems, {
    keyOf: (manifest) => manifest.name,
    isNatural: ({ manifest, source }) => manifest.name === source.basename,
  });
  const active = candidates.filter(({ manifest }) => manifest.active);
  claim("api_prefix", active, problems, {
    keyOf: (manifest) => manifest.api_prefix,
    isNatural: ({ manifest }) => manifest.api_prefix === `/${manifest.name}`,
  });
  const dependencies = findDependencies(active, byName, problems);
  const order = sortByDependencies(active, dependencies, problems);
  return { order, dependencies, problems };
}

/** Splits plugins into groups with no dependency between them. */
export function groupByDependency(
  ids: ReadonlySet<string>,
  dependencies: ReadonlyMap<string, readonly string[]>,
): Set<string>[] {
  let groups: Set<string>[] = [];
  for (const id of ids) {
    const related = new Set([id, ...(dependencies.get(id) ?? []).filter((one) => ids.has(one))]);
    const touching = groups.filter((group) => !group.isDisjointFrom(related));
    groups = groups.filter((group) => !touching.includes(group));
    groups.push(new Set([...related, ...touching.flatMap((group) => [...group])]));
  }
  return groups;
}

/**
 * Gives each key to one plugin: to the one that serves with it, else to the one that it comes naturally to,
 * else to the first by id.
 */
function claim(
  label: string,
  candidates: readonly Candidate[],
  problems: Map<string, PluginError>,
  by: { keyOf: (manifest: Manifest) => string; isNatural: (candidate: Candidate) => boolean },
): Map<string, Candidate> {
  const isHolder = ({ serving, manifest }: Candidate): boolean =>
    serving !== null && by.keyOf(serving) === by.keyOf(manifest);
  const rank = (one: Candidate): number => Number(isHolder(one)) * 2 + Number(by.isNatural(one));
  const sorted = candidates.toSorted((a, b) => rank(b) - rank(a) || (a.source.id < b.source.id ? -1 : 1));
  const owners = new Map<string, Candidate>();
  for (const candidate of sorted) {
    const key = by.keyOf(candidate.manifest);
    const owner = owners.get(key);
    const { id, shown, shownManifest: file } = candidate.source;
    if (owner === undefined) owners.set(key, candidate);
    else if (!problems.has(id)) {
      const message = `Cannot use ${label} "${key}": ${owner.source.shown} has it already; change it in ${shown}`;
      problems.set(id, new PluginError("dependencies", message, { file }));
    }
  }
  return owners;
}

function findDependencies(
  candidates: readonly Candidate[],
  byName: ReadonlyMap<string, Candidate>,
  problems: Map<string, PluginError>,
): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { source, manifest } of candidates) {
    const { id, shownManifest: file } = source;
    const ids: string[] = [];
    for (const [name, range] of Object.entries(manifest.dependencies)) {
      const dependency = byName.get(name);
      const reason = whyUnusable(name, range, dependency);
      if (reason !== null && !problems.has(id))
        problems.set(id, new PluginError("dependencies", reason, { file }));
      if (dependency !== undefined) ids.push(dependency.source.id);
    }
    found.set(id, ids);
  }
  return found;
}

/** Says why a plugin can't be what another depends on; null when it can. */
export function whyUnusable(
  name: string,
  range: string,
  dependency: Pick<Candidate, "manifest"> | undefined,
): string | null {
  if (dependency === undefined) {
    return `Cannot find dependency "${name}": put it beside this plugin, or remove it from "dependencies"`;
  }
  const { version, active } = dependency.manifest;
  if (!active) return `Cannot use dependency "${name}": it is disabled; run \`xcore plugin enable ${name}\``;
  if (!satisfies(version, range, { includePrerelease: true })) {
    return `Cannot use dependency "${name}": ${range} is needed, ${version} is there; change the one or the other`;
  }
  return null;
}

function sortByDependencies(
  candidates: readonly Candidate[],
  dependencies: ReadonlyMap<string, readonly string[]>,
  problems: Map<string, PluginError>,
): string[] {
  const byId = new Map(candidates.map((candidate) => [candidate.source.id, candidate]));
  const order: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (id: string): void => {
    if (done.has(id)) return;
    const start = path.indexOf(id);
    if (start !== -1) {
      const cycle = path.slice(start);
      const names = [...cycle, id].map((one) => byId.get(one)?.manifest.name ?? one);
      const message = `Cannot order dependencies: ${names.join(" → ")} is a cycle; remove one of them`;
      for (const one of cycle) {
        const file = byId.get(one)?.source.shownManifest ?? null;
        problems.set(one, new PluginError("dependencies", message, { file }));
      }
      return;
    }
    path.push(id);
    for (const dependency of dependencies.get(id) ?? []) visit(dependency);
    path.pop();
    done.add(id);
    if (byId.has(id) && !problems.has(id)) order.push(id);
  };
  for (const id of [...byId.keys()].toSorted()) visit(id);
  return order.filter((id) => !problems.has(id));
}
