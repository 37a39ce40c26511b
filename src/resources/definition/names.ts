import { closestWord } from "../../errors/suggestion.ts";
import type { Resource } from "./definition.ts";

/** How a resource is called among those of all plugins. */
export function fullNameOf({ plugin, name }: Pick<Resource, "plugin" | "name">): string {
  return `${plugin}.${name}`;
}

/** The error of a table that can't be a resource as it was declared. */
export function refuse(tableName: string, reason: string): TypeError {
  return new TypeError(`Cannot make a resource of "${tableName}": ${reason}`);
}

/** @throws TypeError for a name that is none of those, with the one that was meant */
export function assertKnown(tableName: string, name: string, names: readonly string[]): void {
  if (names.includes(name)) return;
  const meant = closestWord(name, names);
  const hint = meant === undefined ? `expected one of ${names.join(", ")}` : `did you mean "${meant}"?`;
  throw refuse(tableName, `there is no "${name}"; ${hint}`);
}
