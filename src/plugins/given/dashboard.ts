import { isPermissionName } from "../../accounts/identity/permission-name.ts";
import type { CardOptions, PluginDashboard } from "../../sdk/xcore.ts";
import type { Scope, Undo } from "./scope.ts";

const NAME = /^[a-z][a-z0-9_]{0,63}$/;
const PATH = /^\/(?!\/)[\w./-]{0,200}$/;
const MAX_TITLE = 60; // characters

/** A card that a plugin has added to the dashboard. */
export interface Card extends CardOptions {
  readonly plugin: string;
  readonly name: string;
  readonly read: Parameters<PluginDashboard["card"]>[2];
}

/** The cards of all plugins, as they are registered now. */
export class Cards {
  readonly #cards = new Set<Card>();

  add(card: Card): Undo {
    this.#cards.add(card);
    return () => void this.#cards.delete(card);
  }

  /** In order of their plugins' names, and in the order in which each has added its own. */
  list(): readonly Card[] {
    return [...this.#cards].toSorted((a, b) => (a.plugin < b.plugin ? -1 : Number(a.plugin > b.plugin)));
  }
}

/** Creates the `dashboard` of one generation of a plugin. */
export function createPluginDashboard(
  { name: plugin, prefix }: { readonly name: string; readonly prefix: string },
  { cards, scope }: { readonly cards: Cards; readonly scope: Scope },
): PluginDashboard {
  const names = new Set<string>();
  return {
    card(name, { title, path, permission }, read) {
      const refuse = (why: string): never => {
        throw new TypeError(`Cannot add the card "${name}": ${why}`);
      };
      if (!NAME.test(name)) refuse("expected a name of lower-case letters, digits and underscores");
      if (names.has(name)) refuse("there is one of this name");
      if (typeof title !== "string" || title === "" || title.length > MAX_TITLE)
        refuse(`its title must have 1 to ${MAX_TITLE} characters`);
      if (path !== undefined && !PATH.test(path)) refuse('its path must be one such as "/orders"');
      if (permission !== undefined && !isPermissionName(permission))
        refuse('its permission must be one such as "shop:read"');
      if (typeof read !== "function") refuse("its third argument must be a function");
      names.add(name);
      const card: Card = {
        plugin,
        name,
        title,
        read,
        ...(path !== undefined && { path: prefix + path }),
        ...(permission !== undefined && { permission }),
      };
      const undo = scope.register(() => cards.add(card));
      return () => {
        names.delete(name);
        undo();
      };
    },
  };
}
