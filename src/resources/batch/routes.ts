import { type TSchema, t } from "elysia";
import { toForbidden } from "../../accounts/identity/guards.ts";
import { CLOSED } from "../../errors/plain-schema.ts";
import type { Resource } from "../definition/definition.ts";
import { present } from "../reading/rows.ts";
import { toShape } from "../reading/fields.ts";
import { changeSchemaOf, keySchemaOf, newSchemaOf } from "../schemas/bodies.ts";
import type { Endpoint, ResourceRouter, ResourceRoutesOptions } from "../serving/endpoint.ts";
import type { Operations } from "./operations.ts";

/** Operations of one request, of each kind. */
const MAX_OPERATIONS = 1000;

/** Adds `POST /deals/batch`: several writes, all or none of them. */
export function addBatch(
  router: ResourceRouter,
  endpoint: Endpoint,
  { resource, resources, db, writer }: ResourceRoutesOptions,
): void {
  const { answer, rowQuery, path } = endpoint;
  router.post(
    `${path}/batch`,
    async ({ user, body, query }) => {
      const access = endpoint.accessOf(user);
      const asked: Operations = body;
      if (asked.delete?.length && !access.mayDelete)
        throw toForbidden(`Deleting needs the permission "${resource.permission}:delete"`);
      const shape = toShape(access, query);
      const { runOperations } = await import("./operations.ts");
      const done = await runOperations(asked, { db, writer, access, resources });
      const [create, update] = await Promise.all(
        [done.create, done.update].map((rows) => present(rows, shape, { db, access })),
      );
      return { create, update, delete: done.delete };
    },
    {
      ...endpoint.guard("write"),
      idempotent: true,
      query: rowQuery,
      body: bodySchemaOf(resource),
      response: t.NoValidate(
        t.Object({
          create: t.Array(answer),
          update: t.Array(answer),
          delete: t.Array(keySchemaOf(resource)),
        }),
      ),
      detail: {
        summary: `Make, change and delete ${resource.name} together`,
        description: `All of it, or nothing. What is deleted goes first, then come changes, then what is new; up to ${MAX_OPERATIONS} of each.`,
      },
    },
  );
}

function bodySchemaOf(resource: Resource): TSchema {
  const change = changeSchemaOf(resource);
  const key = keySchemaOf(resource);
  const changed = {
    ...change,
    properties: { [resource.key.name]: key, ...change.properties },
    required: [resource.key.name],
    minProperties: 2, // its key, and what becomes of it
  };
  return t.Object(
    { create: toList(newSchemaOf(resource)), update: toList(changed), delete: toList(key) },
    { additionalProperties: false, minProperties: 1, [CLOSED]: true },
  );
}

function toList(item: TSchema): TSchema {
  return t.Optional(t.Array(item, { maxItems: MAX_OPERATIONS }));
}
