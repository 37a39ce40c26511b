import { satisfies } from "semver";
import type { DeclaredPlugin } from "../../plugins/inventory/declared-plugins.ts";
import type { PreparedPlugin } from "../../plugins/remote/installer.ts";

/** A plugin that another may depend on. */
interface Known {
  readonly version: string;
  readonly isActive: boolean;
}

/**
 * Says of each plugin that is to be added which of those that it depends on are missing, before it is added: it
 * couldn't be loaded.
 *
 * @param declared what the project has
 */
export function describeMissing(
  added: readonly PreparedPlugin[],
  declared: ReadonlyMap<string, DeclaredPlugin>,
): string[] {
  const known = new Map<string, Known>();
  for (const [name, { manifest, files }] of declared) {
    known.set(name, { version: manifest.version, isActive: manifest.active && files.source.isActive });
  }
  for (const { inspection } of added)
    known.set(inspection.name, { version: inspection.version, isActive: true });
  return added.flatMap(({ inspection: { name, dependencies } }) =>
    Object.entries(dependencies).flatMap(([needed, range]) => {
      const reason = whyMissing(needed, range, known.get(needed));
      return reason === null ? [] : `Missing dependency: ${name} needs "${needed}" ${range}, ${reason}`;
    }),
  );
}

function whyMissing(name: string, range: string, known: Known | undefined): string | null {
  if (known === undefined) return "which isn't there: it won't be loaded before you add that too";
  const { version, isActive } = known;
  if (!satisfies(version, range, { includePrerelease: true })) return `and ${version} is there`;
  return isActive ? null : `which is disabled: run \`xcore plugin enable ${name}\``;
}

/** Puts plugins that others depend on before these: a running server loads each as it is added. */
export function inOrderOfNeed(added: readonly PreparedPlugin[]): PreparedPlugin[] {
  const byName = new Map(added.map((one) => [one.inspection.name, one]));
  const ordered = new Set<PreparedPlugin>();
  const seen = new Set<string>();
  const visit = (one: PreparedPlugin): void => {
    const { name, dependencies } = one.inspection;
    if (seen.has(name)) return;
    seen.add(name);
    for (const needed of Object.keys(dependencies)) {
      const found = byName.get(needed);
      if (found !== undefined) visit(found);
    }
    ordered.add(one);
  };
  for (const one of added) visit(one);
  return [...ordered];
}
