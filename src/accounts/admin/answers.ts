import { t } from "elysia";

/** A moment in an answer. */
export const Time = t.String({ format: "date-time" });

/** Params of a route for one row: `/:id`. */
export const RowId = t.Object({ id: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) });
