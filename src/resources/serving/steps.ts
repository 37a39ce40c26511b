import { t } from "elysia";
import type { Transition } from "../definition/workflow.ts";
import { toShape } from "../reading/fields.ts";
import { type Endpoint, type ResourceRouter, type ResourceRoutesOptions, toMatch } from "./endpoint.ts";

/** Adds a route for each step of a workflow: `POST /deals/{id}/win`. */
export function addSteps(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, db, writer }: ResourceRoutesOptions,
): void {
  for (const transition of resource.workflow?.transitions ?? []) {
    const { name, from, to, permission } = transition;
    router.post(
      `${endpoint.path}/:id/${name}`,
      async ({ user, params: { id }, query, set, request }) => {
        const access = endpoint.accessOf(user);
        const shape = toShape(access, query);
        const onFound = toMatch(request, access);
        const row = await db.transaction((tx) =>
          writer.step(id, transition, { tx, access, at: "/body" }, onFound),
        );
        return endpoint.show(access, row, { shape, set });
      },
      {
        ...(permission === null ? endpoint.guard("write") : { permission }),
        idempotent: true,
        params: endpoint.key,
        query: endpoint.rowQuery,
        response: t.NoValidate(endpoint.answer),
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
