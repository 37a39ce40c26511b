import { t } from "elysia";
import { toShape } from "../reading/fields.ts";
import { type Endpoint, type ResourceRouter, type ResourceRoutesOptions, toMatch } from "./endpoint.ts";

/** Adds the route that puts deleted rows back. */
export function addRestoring(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db, writer }: ResourceRoutesOptions,
): void {
  router.post(
    `${endpoint.path}/:id/restore`,
    async ({ user, params: { id }, query, set, request }) => {
      const access = endpoint.accessOf(user);
      const shape = toShape(access, query);
      const onFound = toMatch(request, access);
      const row = await db.transaction((tx) => writer.restore(id, { tx, access, at: "" }, onFound));
      return endpoint.show(access, row, { shape, set });
    },
    {
      ...endpoint.guard("delete"),
      params: endpoint.key,
      query: endpoint.rowQuery,
      response: t.NoValidate(endpoint.answer),
      detail: { summary: `Restore a deleted ${resource.singular}` },
    },
  );
}
