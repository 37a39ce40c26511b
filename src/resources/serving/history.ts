import { t } from "elysia";
import { listOf, page } from "../../db/paging/paginate.ts";
import type { Endpoint, ResourceRouter, ResourceRoutesOptions } from "./endpoint.ts";

/** Somebody who has said or done something. */
export const ACTOR = t.Nullable(
  t.Object({ id: t.Integer(), email: t.String(), full_name: t.Nullable(t.String()) }),
);

/** An entry, as it is answered. */
export const ENTRY = t.Object({
  id: t.Integer(),
  verb: t.UnionEnum(["create", "update", "delete", "restore", "revert"]),
  at: t.Unsafe<Date>({ type: "string", format: "date-time" }),
  actor_id: t.Nullable(t.Integer()),
  actor: ACTOR,
  viewer_id: t.Nullable(t.Integer({ description: "The administrator who viewed as the actor" })),
  viewer: ACTOR,
  changes: t.Record(
    t.String(),
    t.Object({
      before: t.Optional(t.Any()),
      after: t.Optional(t.Any()),
      omitted: t.Optional(t.Boolean({ description: "One of them was too long to be kept" })),
    }),
  ),
});

/** Adds the routes that tell what was done to a row, and put it back. */
export function addHistory(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db, writer, core }: ResourceRoutesOptions,
): void {
  const { history, users } = core;
  router.get(
    `${endpoint.path}/:id/history`,
    async ({ user, params: { id }, query }) => {
      const { listHistory } = await import("../history/reading.ts");
      return listHistory({ db, access: endpoint.accessOf(user), history, users }, id, query);
    },
    {
      ...endpoint.guard("read"),
      params: endpoint.key,
      query: page,
      response: t.NoValidate(listOf(ENTRY)),
      detail: { summary: `List what was done to a ${resource.singular}, the latest first` },
    },
  );
  router.post(
    `${endpoint.path}/:id/revert`,
    async ({ user, params: { id }, body, query, set, request }) => {
      const { valuesAt } = await import("../history/reverting.ts");
      const { to } = body as { readonly to: number };
      return endpoint.write({ user, query, set, request }, "/body", (work, onFound) => {
        const toValues = (before: typeof body) =>
          valuesAt(work.tx, { access: work.access, history }, { before, to });
        return writer.revert(id, toValues, work, onFound);
      });
    },
    {
      ...endpoint.guard("write"),
      params: endpoint.key,
      query: endpoint.rowQuery,
      body: t.Object({ to: t.Integer({ description: "An entry of its history" }) }),
      response: endpoint.answered,
      detail: { summary: `Put a ${resource.singular} back to what it was after an entry of its history` },
    },
  );
}
