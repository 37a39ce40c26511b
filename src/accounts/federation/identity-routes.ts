import { Elysia, t } from "elysia";
import { listOf, page, paginate, type PageQuery } from "../../db/paging/paginate.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import { BY_SESSION, type SessionOwner, toSessionOwner } from "../identity/session-owner.ts";
import type { CoreStore } from "../people/store.ts";
import type { Providers } from "./on-demand.ts";

export interface IdentityRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  readonly store: CoreStore;
  readonly providers: Providers;
}

const Identity = t.Object({
  id: t.Integer(),
  provider: t.String({ description: "What config.json calls it" }),
  title: t.Nullable(t.String({ description: "Null for a provider that isn't there any more" })),
  email: t.Nullable(t.String({ description: "As the provider has last said it" })),
  last_used_at: t.Nullable(t.String({ format: "date-time" })),
  created_at: t.String({ format: "date-time" }),
});

/** Serves what the account of who has signed in is linked to. */
export function identityRoutes({ guards, principals, originOf, store, providers }: IdentityRoutesOptions) {
  const requireOwner = (request: Request): SessionOwner =>
    toSessionOwner(principals.require(request), originOf(request));
  return new Elysia({ name: "xcore/providers/identities", prefix: "/identities" })
    .use(guards)
    .get("", ({ query, request }) => listOwn({ store, providers }, requireOwner(request), query), {
      auth: true,
      query: page,
      response: listOf(Identity),
      detail: { summary: "The accounts of providers that yours is linked to", ...BY_SESSION },
    })
    .delete(
      "/:id",
      async ({ params, request, status }) => {
        const { federation } = await providers.load();
        return status(204, await federation.unlink(requireOwner(request), params.id));
      },
      {
        auth: true,
        params: t.Object({ id: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }),
        response: { 204: t.Void() },
        detail: {
          summary: "Unlink one, within ten minutes of showing who you are; never the last way in",
          ...BY_SESSION,
        },
      },
    );
}

async function listOwn(
  { store, providers }: Pick<IdentityRoutesOptions, "store" | "providers">,
  { user }: SessionOwner,
  query: PageQuery,
) {
  const { listIdentities } = await import("./identities.ts");
  const titles = new Map(providers.list().map(({ id, title }) => [id, title]));
  const found = await paginate(listIdentities(store, user.id), query);
  const items = found.items.map(({ last_used_at, created_at, ...identity }) => ({
    ...identity,
    title: titles.get(identity.provider) ?? null,
    last_used_at: last_used_at?.toISOString() ?? null,
    created_at: created_at.toISOString(),
  }));
  return { ...found, items };
}
