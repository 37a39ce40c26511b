import { invalidRequest } from "../../errors/codes.ts";
import type { Resource } from "../definition/definition.ts";
import type { Row } from "../reading/expand.ts";

/** What no address of a row can end in: "." and ".." are taken for folders, and the others for the resource's own routes. */
const UNREACHABLE = new Set([
  "",
  ".",
  "..",
  "aggregate",
  "changes",
  "import",
  "export.csv",
  "export.json",
  "export.xlsx",
]);

/**
 * Holds a new row to a key by which it can be read again.
 *
 * @param at JSON Pointer of the row in the request
 * @throws AppError validation_error
 */
export function assertReachable({ key }: Resource, values: Row, at: string): void {
  const value = values[key.name];
  if (typeof value !== "string" || !UNREACHABLE.has(value)) return;
  const message =
    value === ""
      ? "Expected text that isn't empty"
      : `${JSON.stringify(value)} can't stand in the path of a row`;
  throw invalidRequest([{ path: `${at}/${key.name}`, code: "reserved", message }]);
}

/**
 * Takes the key of a row out of what becomes of it: what refers to it, its address and its history go by that, so that it stays.
 *
 * @throws Error for another key, which only a hook can have given
 */
export function keepKey({ plugin, singular, key }: Resource, values: Row, before: Row): void {
  const value = values[key.name];
  delete values[key.name];
  if (value === undefined || Bun.deepEquals(value, before[key.name])) return;
  throw new Error(
    `A handler of "${plugin}.${singular}.updating" changes the key "${key.name}" of a ${singular}, which can't be changed: make another row, and delete this one`,
  );
}
