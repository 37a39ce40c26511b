import { t, type TSchema } from "elysia";

/** A moment in an answer. */
export const Time = t.String({ format: "date-time" });

/** Params of a route for one row: `/:id`. */
export const RowId = t.Object({ id: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) });

/** The schema of a list of these. */
export function listOf<Item extends TSchema>(item: Item) {
  return t.Object({
    items: t.Array(item),
    page: t.Integer(),
    per_page: t.Integer(),
    total: t.Nullable(t.Integer()),
  });
}
