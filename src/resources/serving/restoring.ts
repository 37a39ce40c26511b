import type { Endpoint, ResourceRouter, ResourceRoutesOptions } from "./endpoint.ts";

/** Adds the route that puts deleted rows back. */
export function addRestoring(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, writer }: ResourceRoutesOptions,
): void {
  router.post(
    `${endpoint.path}/:id/restore`,
    ({ user, params: { id }, query, set, request }) =>
      endpoint.write({ user, query, set, request }, "", (work, onFound) => writer.restore(id, work, onFound)),
    {
      ...endpoint.guard("delete"),
      params: endpoint.key,
      query: endpoint.rowQuery,
      response: endpoint.answered,
      detail: { summary: `Restore a deleted ${resource.singular}` },
    },
  );
}
