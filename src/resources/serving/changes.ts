import type { TObject } from "@sinclair/typebox";
import { type TSchema, t } from "elysia";
import type { PgTable } from "drizzle-orm/pg-core";
import type { User } from "../../accounts/identity/principal.ts";
import { CLOSED } from "../../errors/plain-schema.ts";
import { toRowsCondition } from "../reading/conditions.ts";
import { listQueryOf } from "../schemas/queries.ts";
import type { Subscription, TableHub, View } from "../changes/hub.ts";
import type { Endpoint, Given, ResourceRouter, ResourceRoutesOptions } from "./endpoint.ts";

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no", // nginx would keep events until there are many
};
/** What of a list's query isn't about which rows there are. */
const OTHERS = new Set(["page", "per_page", "sort", "total", "after", "fields", "expand", "deleted"]);

/** Adds the route that tells of changes. */
export function addLiveChanges(
  router: ResourceRouter,
  endpoint: Endpoint,
  options: ResourceRoutesOptions,
): void {
  const { resource, changes, permissionsOf } = options;
  router.get(
    `${endpoint.path}/changes`,
    async ({ user, query: asked, request }) => {
      const query = withoutTicket(asked);
      const isFiltered = Object.values(query).some((value) => value !== undefined);
      const hub = await changes.hubOf(resource);
      const leave = changes.places.take(user?.id ?? null, isFiltered);
      const stream = follow(hub, leave, {
        toView: () => toView(endpoint, options, { user, query }),
        stamp: () => (user === null ? null : permissionsOf(user)),
        lastEventId: request.headers.get("last-event-id"),
        onEnd: leave,
      });
      return new Response(stream, { headers: HEADERS });
    },
    {
      ...endpoint.guard("read"),
      query: changesQueryOf(options, endpoint),
      detail: {
        summary: `Follow changes of ${resource.name}, as server-sent events`,
        responses: {
          200: { description: "Events", content: { "text/event-stream": { schema: { type: "string" } } } },
        },
      },
    },
  );
}

/** It has shown who asks: see accounts/browser/tickets.ts. A column of its name is compared with anything else. */
function withoutTicket({ ticket, ...query }: Given["query"]): Given["query"] {
  const isOne = typeof ticket === "string" && ticket.startsWith("xt_");
  return isOne || ticket === undefined ? query : { ...query, ticket };
}

/** @throws whatever is wrong with the query, which takes no place */
function follow(hub: TableHub, leave: () => void, subscription: Subscription): ReadableStream<Uint8Array> {
  try {
    return hub.subscribe(subscription);
  } catch (error) {
    leave();
    throw error;
  }
}

/** What somebody sees now. */
function toView(
  endpoint: Endpoint,
  { resource, db, dialect }: ResourceRoutesOptions,
  { user, query }: { readonly user: User | null; readonly query: Given["query"] },
): View {
  const access = endpoint.accessOf(user);
  // Of rows as they were, too: an index knows them as they are.
  const condition = toRowsCondition(access, query, { parameters: endpoint.parameters });
  const { sql, params } = db
    .select()
    .from(resource.table as PgTable)
    .where(condition)
    .toSQL();
  return {
    source: { db, dialect, resource },
    condition,
    conditionText: JSON.stringify([sql, params]),
    visible: [...access.visible.keys()],
  };
}

/** As of a list, without pages. */
function changesQueryOf({ resource }: ResourceRoutesOptions, { parameters }: Endpoint): TObject {
  const { properties } = listQueryOf(resource, parameters);
  const kept = Object.entries<TSchema>(properties).filter(([name]) => !OTHERS.has(name));
  const ticket = t.Optional(t.String({ description: "Of `POST /auth/ticket`, where no header can be sent" }));
  return t.Object({ ticket, ...Object.fromEntries(kept) }, { additionalProperties: false, [CLOSED]: true });
}
