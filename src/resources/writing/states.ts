import type { Column } from "drizzle-orm";
import { fail } from "../../errors/codes.ts";
import type { Access } from "../access/access.ts";
import type { Transition } from "../definition/workflow.ts";
import type { Row } from "../reading/expand.ts";

/**
 * Holds a step of a workflow to the states that it starts from.
 *
 * @returns the column of the state
 * @throws AppError conflict with the row as it is now, as `current`
 */
export function assertState(access: Access, row: Row, { name, from, to }: Transition): Column {
  const { singular, workflow, key } = access.resource;
  if (workflow === null) throw new TypeError(`The resource of ${singular} has no workflow`);
  const { column } = workflow;
  const state = row[column.name];
  if (typeof state === "string" && from.includes(state)) return column;
  const expected = from.map((one) => `"${one}"`).join(" or ");
  const why = access.visible.has(column.name)
    ? `its ${column.name} is ${JSON.stringify(state)}, expected ${expected}`
    : `it is in a state from which it can't become "${to}"`;
  throw fail("conflict", `Cannot ${name} ${singular} "${String(row[key.name])}": ${why}`, {
    members: { current: access.pick(row) },
  });
}
