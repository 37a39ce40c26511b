import { Value } from "@sinclair/typebox/value";
import { and, asc, eq, gt } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { fail } from "../../errors/codes.ts";
import type { Access } from "../access/access.ts";
import type { Row } from "../reading/expand.ts";
import { changeSchemaOf } from "../schemas/bodies.ts";
import { type Change, entriesFor, entriesOf, type HistoryTable, readChanges } from "./entries.ts";

const BATCH = 100;
const MAX_ENTRIES = 10_000;

/**
 * The values that a row had right after an entry of its history, as far as they are others now and clients set them.
 *
 * @throws AppError validation_error where there is no such entry, where they weren't kept or don't fit any more, and for fields that
 * whoever asks may not set
 */
export async function valuesAt(
  tx: Transaction,
  { access, history }: { readonly access: Access; readonly history: HistoryTable },
  { before, to }: { readonly before: Row; readonly to: number },
): Promise<Row> {
  const { resource } = access;
  const key = before[resource.key.name];
  const changes = await readSince(tx, { access, history }, { key, to });
  const schema = changeSchemaOf(resource);
  const set = new Map([...changes].filter(([name]) => isSettable(access, schema.properties, name)));
  const values: Row = {};
  for (const [name, change] of set) {
    const { before: value } = change;
    const isKept = "before" in change;
    if (isKept && JSON.stringify(value ?? null) === JSON.stringify(before[name] ?? null)) continue;
    if (!access.mayWrite(name))
      throw refuse("read_only", `It would change ${say(access, name)}, which you can't set`);
    if (!isKept) throw refuse("not_kept", `What ${say(access, name)} was is too long to be kept`);
    values[name] = value ?? null;
  }
  const [problem] = Object.keys(values).length === 0 ? [] : [...Value.Errors(schema, values)];
  if (problem === undefined) return decode(schema, values);
  const name = problem.path.split("/")[1] ?? "";
  throw refuse("invalid", `What ${say(access, name)} was doesn't fit any more`);
}

/** The first change of each column since an entry. */
async function readSince(
  tx: Transaction,
  { access, history }: { readonly access: Access; readonly history: HistoryTable },
  { key, to }: { readonly key: unknown; readonly to: number },
): Promise<Map<string, Change>> {
  const isOfRow = entriesOf(history, access.resource, { key, isThere: true });
  const [entry] = await tx
    .select({ id: history.id })
    .from(history)
    .where(and(isOfRow, eq(history.id, to), entriesFor(history, access)));
  if (entry === undefined)
    throw refuse("missing_reference", "There is no such entry in the history of this row");
  const first = new Map<string, Change>();
  let last = to;
  for (let read = 0; read < MAX_ENTRIES; read += BATCH) {
    // oxlint-disable-next-line no-await-in-loop -- one batch after another
    const entries = await tx
      .select()
      .from(history)
      .where(and(isOfRow, gt(history.id, last)))
      .orderBy(asc(history.id))
      .limit(BATCH);
    for (const { id, changes } of entries) {
      last = id;
      for (const [name, change] of Object.entries(readChanges(changes)))
        if (!first.has(name)) first.set(name, change);
    }
    if (entries.length < BATCH) return first;
  }
  throw refuse("too_old", `More than ${MAX_ENTRIES} changes have been made since`);
}

function isSettable({ resource }: Access, properties: object, name: string): boolean {
  const column = resource.columns.get(name);
  // What is set by itself at each change is none of a client's.
  return column !== undefined && column.onUpdateFn === undefined && name in properties;
}

/** Dates are texts in JSON. */
function decode(schema: ReturnType<typeof changeSchemaOf>, values: Row): Row {
  return Object.keys(values).length === 0 ? values : Value.Decode<typeof schema, Row>(schema, values);
}

/** Nobody is told the names of fields that they may not see. */
function say({ visible }: Access, name: string): string {
  return visible.has(name) ? `"${name}"` : "a field";
}

function refuse(code: string, message: string): Error {
  return fail("validation_error", "Cannot revert to this entry: see errors", {
    errors: [{ path: "/body/to", code, message }],
  });
}
