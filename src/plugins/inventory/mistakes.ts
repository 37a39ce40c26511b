import { CORE_PERMISSIONS } from "../../accounts/rights/permission-catalog.ts";
import { closestWord } from "../../config/suggestion.ts";
import type { PluginRecord } from "./record.ts";

/** Says of each plugin that config.json has settings for, and that isn't there, which one was probably meant. */
export function findStraySettings(
  settings: Readonly<Record<string, unknown>>,
  records: readonly PluginRecord[],
): string[] {
  const names = records.map(({ name }) => name);
  return Object.keys(settings)
    .filter((name) => !names.includes(name))
    .map((name) => {
      const meant = closestWord(name, names);
      const hint = meant === undefined ? "" : `, did you mean "${meant}"?`;
      return `plugins.settings.${name}: there is no plugin "${name}"${hint}`;
    });
}

/**
 * Says of each route of a plugin whose guard asks for a permission that no plugin declares, what was probably meant:
 * nobody is likely to hold it, and it stands in no list of those that can be granted.
 *
 * @param records all plugins, of which any may declare it
 */
export function findUndeclaredPermissions(record: PluginRecord, records: readonly PluginRecord[]): string[] {
  const { current } = record;
  if (current === null) return [];
  const names = records.flatMap(({ manifest }) => Object.keys(manifest?.permissions ?? {}));
  const known = new Set([...Object.keys(CORE_PERMISSIONS), ...names]);
  const { routes, permissions } = current.surface;
  if (permissions.every((permission) => known.has(permission))) return [];
  const own = Object.keys(record.manifest?.permissions ?? {});
  return routes.flatMap(({ method, path, guards }) =>
    guards.flatMap((guard) => {
      if (!("permission" in guard) || known.has(guard.permission)) return [];
      const meant = closestWord(guard.permission, own) ?? closestWord(guard.permission, [...known]);
      const advice =
        meant === undefined
          ? `add it to "permissions" of ${record.source.shownManifest}`
          : `did you mean "${meant}"?`;
      return `${method} ${path} asks for the permission "${guard.permission}", which no plugin declares: ${advice}`;
    }),
  );
}
