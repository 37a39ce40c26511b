import { fail } from "./failure/error-codes.ts";
import { InFlight, type Mount } from "../web/mounts.ts";
import { isReserved } from "./source/manifest.ts";
import type { PluginRecord } from "./inventory/record.ts";

/** The mounts of all plugins: the serving generations, and answers for those that should serve. */
export function toMounts(records: readonly PluginRecord[]): Mount[] {
  const mounts = new Map<string, Mount>();
  const serving = records.flatMap(({ current }) => current ?? []);
  // While two plugins trade prefixes, the newer generation has it.
  for (const { mount } of serving.toSorted((a, b) => b.loadedAt.getTime() - a.loadedAt.getTime())) {
    if (!mounts.has(mount.prefix)) mounts.set(mount.prefix, mount);
  }
  for (const record of records) {
    const mount = toUnavailableMount(record);
    if (mount !== null && !mounts.has(mount.prefix)) mounts.set(mount.prefix, mount);
  }
  return [...mounts.values()];
}

/** Answers below the prefix of a plugin that should serve and doesn't; null when it has no prefix to answer. */
function toUnavailableMount(record: PluginRecord): Mount | null {
  const { manifest, name } = record;
  // Of a plugin that was never fetched only the name is known: its prefix is most likely that.
  const prefix = manifest?.api_prefix ?? (record.source.remote && `/${name}`);
  if (prefix === null || isReserved(prefix) || record.current !== null || !record.isActive) return null;
  return {
    prefix,
    plugin: name,
    inFlight: new InFlight(),
    fetch: () => {
      throw record.failure === null
        ? fail("plugin_unavailable", `Plugin "${name}" is being loaded: try again in a moment`, {
            headers: { "retry-after": "1" },
          })
        : fail("plugin_unavailable", `Plugin "${name}" failed to load: see /system/plugins/${name}`);
    },
  };
}
