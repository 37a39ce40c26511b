import { isLoadable } from "./inventory/inventory.ts";
import type { PluginRecord } from "./inventory/record.ts";
import type { Resolution } from "./inventory/resolve.ts";
import type { LoadGroups } from "./load-groups.ts";

/**
 * Picks what is to be loaded: the changed plugins, those that lacked something, and all that depend on either.
 * Loads under way that have to do with them are aborted, and what they were loading is picked as well.
 */
export function selectToLoad(
  changed: ReadonlySet<string>,
  resolution: Resolution,
  { records, groups }: { readonly records: ReadonlyMap<string, PluginRecord>; readonly groups: LoadGroups },
): Set<string> {
  const { order, dependencies } = resolution;
  const selected = new Set(changed);
  for (const { id, loadFailure } of records.values()) {
    if (loadFailure?.stage === "dependencies") selected.add(id);
  }
  // Dependents and loads under way may each add to the other: a load may hold a generation that is replaced now.
  for (let size = -1; size < selected.size;) {
    size = selected.size;
    for (const id of order) {
      if ((dependencies.get(id) ?? []).some((dependency) => selected.has(dependency))) selected.add(id);
    }
    groups.absorb(selected, resolution);
  }
  return new Set(order.filter((id) => selected.has(id) && isLoadable(records.get(id))));
}
