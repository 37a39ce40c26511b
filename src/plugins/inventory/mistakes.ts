import satisfies from "semver/functions/satisfies.js";
import type { Manifest } from "../source/manifest.ts";
import { CORE_PERMISSIONS } from "../../accounts/rights/permission-catalog.ts";
import { closestWord } from "../../errors/suggestion.ts";
import { permissionsOf } from "../runtime/surface.ts";
import type { PluginRecord } from "./record.ts";

/** A plugin that another may depend on. */
export interface KnownPlugin {
  readonly name: string;
  readonly version: string;
  readonly isActive: boolean;
}

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
  const names = records.flatMap((one) => Object.keys(permissionsBy(one)));
  const known = new Set([...Object.keys(CORE_PERMISSIONS), ...names]);
  if (permissionsOf(current.app).isSubsetOf(known)) return [];
  const { routes } = current.surface;
  const own = Object.keys(permissionsBy(record));
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

/** The permissions that a plugin declares, in its manifest and by its resources, with what they are for. */
export function permissionsBy({ manifest, current }: PluginRecord): Readonly<Record<string, string>> {
  return { ...manifest?.permissions, ...current?.registrations.permissions };
}

/**
 * Says of each plugin that is to be added which of those that it depends on are missing, before it is added: it
 * couldn't be loaded.
 *
 * @param known what there is
 * @param toEnable how to enable a plugin, such as "run `xcore plugin enable crm`"
 */
export function describeMissing(
  added: readonly Pick<Manifest, "name" | "version" | "dependencies">[],
  known: readonly KnownPlugin[],
  toEnable: (name: string) => string,
): string[] {
  const all = [...known, ...added.map(({ name, version }) => ({ name, version, isActive: true }))];
  const byName = new Map(all.map((plugin) => [plugin.name, plugin]));
  return added.flatMap(({ name, dependencies }) =>
    Object.entries(dependencies).flatMap(([needed, range]) => {
      const reason = whyMissing(range, byName.get(needed), () => toEnable(needed));
      return reason === null ? [] : `Missing dependency: ${name} needs "${needed}" ${range}, ${reason}`;
    }),
  );
}

function whyMissing(range: string, known: KnownPlugin | undefined, toEnable: () => string): string | null {
  if (known === undefined) return "which isn't there: it won't be loaded before you add that too";
  const { version, isActive } = known;
  if (!satisfies(version, range, { includePrerelease: true })) return `and ${version} is there`;
  return isActive ? null : `which is disabled: ${toEnable()}`;
}
