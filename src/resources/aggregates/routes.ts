import { t } from "elysia";
import type { Endpoint, ResourceRouter, ResourceRoutesOptions } from "../serving/endpoint.ts";
import { aggregateRows } from "./aggregate.ts";
import { aggregateAnswerOf, aggregateQueryOf, rowParametersOf } from "./query.ts";

/** Adds what counts and sums up the rows of a resource. */
export function addAggregation(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db }: ResourceRoutesOptions,
): void {
  const { path } = endpoint;
  const parameters = rowParametersOf(endpoint.parameters);
  router.get(
    `${path}/aggregate`,
    ({ user, query }) => aggregateRows(db, endpoint.accessOf(user), { query, parameters }),
    {
      ...endpoint.guard("read"),
      query: aggregateQueryOf(resource, parameters),
      response: t.NoValidate(aggregateAnswerOf(resource)),
      detail: { summary: `Count and sum up ${resource.name}` },
    },
  );
}
