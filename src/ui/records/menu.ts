import type { Resource } from "../../resources/resources.ts";
import { type ResourceDescription, toLabel } from "../../resources/admin/descriptions.ts";
import { type Api, ApiProblem } from "../shell/api.ts";
import type { Found, MenuItem, MenuSection } from "../shell/menu.ts";
import type { Ui } from "../shell/pages.ts";
import { text } from "../shell/words.ts";
import { pathOfRecords, type Row, titleOf } from "./records.ts";

const MAX_RESOURCES = 12; // that are searched at once: each is a query
const AT_ONCE = 3;
const MAX_ROWS = 5; // of each
const MAX_MS = 1000;

/** What the menu says of a resource. */
export type MenuResource = Pick<Resource, "plugin" | "name" | "singular" | "permission" | "screens">;

/** The resources of each plugin below its name. */
export function toRecordsMenu(resources: readonly MenuResource[]): MenuSection[] {
  const byPlugin = new Map<string, Map<string, MenuItem>>();
  for (const { plugin, name, singular, permission, screens } of resources) {
    const items = byPlugin.get(plugin) ?? new Map<string, MenuItem>();
    byPlugin.set(plugin, items);
    // Of two generations of a plugin, the newer one counts.
    items.delete(name);
    if (!screens.isInMenu) continue;
    const path = pathOfRecords(`${plugin}.${name}`);
    items.set(name, {
      label: screens.label ?? toLabel(name),
      path,
      icon: screens.icon,
      plugin,
      ...(permission !== null && {
        permission: `${permission}:read`,
        action: {
          label: text("New {name}"),
          name: singular,
          path: `${path}/~new`,
          permission: `${permission}:write`,
        },
      }),
    });
  }
  return [...byPlugin]
    .filter(([, items]) => items.size > 0)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([plugin, items]) => ({ title: toLabel(plugin), items: [...items.values()] }));
}

/**
 * Finds rows of the resources that whoever makes a request may read, by the words that these are searched for by. A word
 * that begins a resource's own name narrows it down: "deals acme". What isn't found within a second is left out.
 */
export async function findRecords(ui: Ui, request: Request, asked: string): Promise<Found[]> {
  const api = ui.api(request);
  const { items } = await api.get<{ readonly items: readonly ResourceDescription[] }>("/system/resources", {
    per_page: 100,
  });
  const searchable = items.filter(({ search }) => search.length > 0);
  const { resources, words } = narrowDown(searchable, asked);
  const found = new Map<ResourceDescription, Found[]>();
  const waiting = resources.slice(0, MAX_RESOURCES);
  const wanted = [...waiting];
  let isLate = false;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && !isLate; next = waiting.shift())
      // oxlint-disable-next-line no-await-in-loop -- no more than a few at once
      found.set(next, await searchIn(api, next, words));
  };
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, MAX_MS);
  await Promise.race([Promise.all(Array.from({ length: AT_ONCE }, work)), late.promise]);
  isLate = true;
  clearTimeout(timer);
  return wanted.flatMap((about) => found.get(about) ?? []);
}

/** The resources that the first word names, with the words after it; all of them where it names none. */
function narrowDown(
  all: readonly ResourceDescription[],
  asked: string,
): { resources: readonly ResourceDescription[]; words: string } {
  const [first = "", ...rest] = asked.trim().split(/\s+/);
  const begins = (name: string): boolean => name.toLowerCase().startsWith(first.toLowerCase());
  const named = all.filter(({ label, singular }) => begins(label) || begins(singular));
  const words = rest.join(" ");
  return named.length > 0 && words.length > 1
    ? { resources: named, words }
    : { resources: all, words: asked.trim() };
}

async function searchIn(api: Api, about: ResourceDescription, words: string): Promise<Found[]> {
  const { key, title } = about;
  try {
    const { items } = await api.get<{ readonly items: readonly Row[] }>(about.path, {
      q: words,
      per_page: MAX_ROWS,
      total: false,
      fields: [...new Set([key, title ?? key])].join(","),
    });
    return items.map((row) => ({
      label: titleOf(about, row),
      hint: about.singular,
      path: `${pathOfRecords(about.name)}/${encodeURIComponent(String(row[key]))}`,
    }));
  } catch (error) {
    if (error instanceof ApiProblem) return []; // others may have what is looked for
    throw error;
  }
}
