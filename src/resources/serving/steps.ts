import type { Transition } from "../definition/workflow.ts";
import type { Endpoint, ResourceRouter, ResourceRoutesOptions } from "./endpoint.ts";

/** Adds a route for each step of a workflow: `POST /deals/{id}/win`. */
export function addSteps(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, writer }: ResourceRoutesOptions,
): void {
  for (const transition of resource.workflow?.transitions ?? []) {
    const { name, from, to, permission } = transition;
    router.post(
      `${endpoint.path}/:id/${name}`,
      ({ user, params: { id }, query, set, request }) =>
        endpoint.write({ user, query, set, request }, "/body", (work, onFound) =>
          writer.step(id, transition, work, onFound),
        ),
      {
        ...(permission === null ? endpoint.guard("write") : { permission }),
        idempotent: true,
        params: endpoint.key,
        query: endpoint.rowQuery,
        response: endpoint.answered,
        detail: {
          summary: toSummary(transition, resource.singular),
          description: `From ${from.map((state) => `"${state}"`).join(" or ")} to "${to}"; 409 with the row, as \`current\`, where it is in another state.`,
        },
      },
    );
  }
}

/** "Win a deal". */
function toSummary({ name }: Transition, singular: string): string {
  const verb = name.replaceAll(/[_-]/g, " ");
  return `${verb.charAt(0).toUpperCase()}${verb.slice(1)} a ${singular}`;
}
