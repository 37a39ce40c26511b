import type { Resource } from "../../resources/resources.ts";
import { toLabel } from "../../resources/admin/descriptions.ts";
import type { MenuItem, MenuSection } from "../shell/menu.ts";
import { pathOfRecords } from "./records.ts";

/** What the menu says of a resource. */
export type MenuResource = Pick<Resource, "plugin" | "name" | "permission" | "screens">;

/** The resources of each plugin below its name. */
export function toRecordsMenu(resources: readonly MenuResource[]): MenuSection[] {
  const byPlugin = new Map<string, Map<string, MenuItem>>();
  for (const { plugin, name, permission, screens } of resources) {
    const items = byPlugin.get(plugin) ?? new Map<string, MenuItem>();
    byPlugin.set(plugin, items);
    // Of two generations of a plugin, the newer one counts.
    items.delete(name);
    if (!screens.isInMenu) continue;
    items.set(name, {
      label: screens.label ?? toLabel(name),
      path: pathOfRecords(`${plugin}.${name}`),
      icon: screens.icon,
      plugin,
      ...(permission !== null && { permission: `${permission}:read` }),
    });
  }
  return [...byPlugin]
    .filter(([, items]) => items.size > 0)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([plugin, items]) => ({ title: toLabel(plugin), items: [...items.values()] }));
}
