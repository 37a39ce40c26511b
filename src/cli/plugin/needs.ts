import type { DeclaredPlugins } from "../../plugins/inventory/declared-plugins.ts";
import { describeMissing } from "../../plugins/inventory/mistakes.ts";
import type { PreparedPlugin } from "../../plugins/remote/installer.ts";

/** Says of plugins which of those that they depend on keep them from being loaded. */
export function listMissing(
  plugins: Parameters<typeof describeMissing>[0],
  { byName }: DeclaredPlugins,
): string[] {
  const known = [...byName.values()].map(({ name, manifest, files }) => ({
    name,
    version: manifest.version,
    isActive: manifest.active && files.source.isActive,
  }));
  return describeMissing(plugins, known, (name) => `run \`xcore plugin enable ${name}\``);
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
