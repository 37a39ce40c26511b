import type { AnyElysia } from "elysia";

/** What the sidebar leads to. */
export interface MenuItem {
  /** English, marked by `text()`; or the words of a plugin. */
  readonly label: string;
  /** Below the server's own path, such as "/ui/plugins". */
  readonly path: string;
  /** Of templates/components/icon.html. */
  readonly icon: string;
  /** Without it the page isn't shown. @default everybody sees it */
  readonly permission?: string | null;
  /** Whose words they are. @default xcore's own */
  readonly plugin?: string;
  /** What is made there, for the command palette. @default nothing is */
  readonly action?: MenuAction;
}

/** What somebody may begin from anywhere, such as a new record. */
export interface MenuAction {
  /** English, marked by `text()`. */
  readonly label: string;
  /** What stands in the place of `{name}`, in the words of the item's owner. @default the label has none */
  readonly name?: string;
  readonly path: string;
  readonly permission: string;
}

/** A part of the interface: what leads to its pages, and their routes below /ui. */
export interface Area {
  readonly section: "main" | "people" | "system";
  readonly menu: readonly MenuItem[];
  readonly routes: AnyElysia;
  /** Finds what somebody who makes a request may go to by a few letters. @default nothing is found in it */
  readonly find?: (request: Request, text: string) => Promise<readonly Found[]>;
}

/** What the command palette leads to beside the pages of the menu, such as a record. */
export interface Found {
  readonly label: string;
  /** What it is, such as the name of its table. */
  readonly hint: string;
  /** Below the server's own path, such as "/ui/records/deals/3". */
  readonly path: string;
}

export interface MenuSection {
  /** English, marked by `text()`; null for what stands first. */
  readonly title: string | null;
  readonly items: readonly MenuItem[];
}

export interface ShownSection {
  readonly title: string | null;
  readonly items: readonly (MenuItem & { readonly active: boolean })[];
}

/** Returns what somebody sees of a menu, with the page marked that they are on: that of the longest path. */
export function toShownMenu(
  sections: readonly MenuSection[],
  { path, can }: { readonly path: string; readonly can: (permission: string) => boolean },
): ShownSection[] {
  const isOn = (item: MenuItem): boolean =>
    path === item.path || (item.path !== "/ui" && path.startsWith(`${item.path}/`));
  const [current] = sections
    .flatMap(({ items }) => items)
    .filter(isOn)
    .toSorted((a, b) => b.path.length - a.path.length);
  return sections
    .map(({ title, items }) => ({
      title,
      items: items
        .filter(({ permission }) => permission === undefined || permission === null || can(permission))
        .map(({ action, ...item }, index, all) => ({
          ...item,
          active: all[index] === current,
          ...(action !== undefined && can(action.permission) && { action }),
        })),
    }))
    .filter(({ items }) => items.length > 0);
}
