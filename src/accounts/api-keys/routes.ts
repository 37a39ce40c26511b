import { Elysia, t } from "elysia";
import { listOf, page, type Page } from "../../db/paging/paginate.ts";
import type { ApiKey, ApiKeyInput, ApiKeys } from "./api-keys.ts";
import { describeUnknownGrants } from "../rights/permission-catalog.ts";
import type { CoreStore } from "../people/store.ts";
import { MAX_DISPLAY_NAME } from "../people/names.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin, Principal } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import {
  BY_SESSION,
  type ConfirmOwner,
  FRESH_PASSWORD,
  requireSession,
  toSessionOwner,
} from "../identity/session-owner.ts";

export interface ApiKeyRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly apiKeys: ApiKeys;
  readonly store: CoreStore;
  readonly originOf: (request: Request) => Origin;
  /** Asks who has shown nothing of the kind lately for the password again, before a key is made. */
  readonly confirmOwner: ConfirmOwner;
}

const MAX_PERMISSIONS = 100;

/** A key in an answer. */
export const Key = t.Object({
  id: t.Integer(),
  name: t.String(),
  prefix: t.String({ description: "How the key begins" }),
  permissions: t.Array(t.String()),
  expires_at: t.Nullable(t.String({ format: "date-time" })),
  last_used_at: t.Nullable(t.String({ format: "date-time", description: "Behind by up to a minute" })),
  created_at: t.String({ format: "date-time" }),
});

const MadeKey = t.Composite([
  Key,
  t.Object({
    key: t.String({ description: "The key; shown this once" }),
    warnings: t.Optional(t.Array(t.String(), { description: "Permissions that nobody declares" })),
  }),
]);

const DETAIL = { tags: ["auth"], ...BY_SESSION };

/** Serves the API keys of who has logged in, below `/auth/api_keys`. */
export function apiKeyRoutes(options: ApiKeyRoutesOptions) {
  const { guards, principals, apiKeys, originOf, confirmOwner } = options;
  const identify = (request: Request) => ({
    principal: principals.require(request),
    origin: originOf(request),
  });
  return new Elysia({ name: "xcore/api-keys", prefix: "/auth/api_keys", detail: DETAIL })
    .use(guards)
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "no-store";
    })
    .get("", ({ query, request }) => listKeys(apiKeys, identify(request), query), {
      auth: true,
      query: page,
      response: listOf(Key),
      detail: { summary: "Your API keys" },
    })
    .post(
      "",
      async ({ body, request, status }) => {
        const owner = identify(request);
        const { current_password: password, ...input } = body;
        await confirmOwner(toSessionOwner(owner.principal, owner.origin), {
          password,
          action: "api_key.created",
        });
        return status(201, await createKey(options, owner, input));
      },
      {
        auth: true,
        idempotent: true,
        body: t.Object({
          name: t.String({ minLength: 1, maxLength: MAX_DISPLAY_NAME }),
          permissions: t.Array(t.String({ maxLength: 128 }), {
            maxItems: MAX_PERMISSIONS,
            description: "Of those that you hold, such as invoices:read or invoices:*",
          }),
          current_password: t.Optional(
            t.String({ minLength: 1, maxLength: 1024, description: FRESH_PASSWORD }),
          ),
          expires_at: t.Optional(
            t.Nullable(t.String({ format: "date-time", description: "In the future; null for never" })),
          ),
        }),
        response: { 201: MadeKey },
        detail: { summary: "Make an API key" },
      },
    )
    .delete(
      "/:id",
      async ({ params, request, status }) =>
        status(204, await revokeKey(apiKeys, identify(request), params.id)),
      {
        auth: true,
        params: t.Object({ id: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }),
        response: { 204: t.Void() },
        detail: { summary: "Revoke an API key" },
      },
    );
}

interface Owner {
  readonly principal: Principal;
  readonly origin: Origin;
}

async function listKeys(apiKeys: ApiKeys, { principal }: Owner, query: Parameters<ApiKeys["list"]>[1]) {
  requireSession(principal);
  return toList(await apiKeys.list(principal.user.id, query));
}

async function createKey(
  { apiKeys, store }: Pick<ApiKeyRoutesOptions, "apiKeys" | "store">,
  { principal, origin }: Owner,
  input: ApiKeyInput,
) {
  const made = await apiKeys.create(principal, input, { origin });
  const warnings = await describeUnknownGrants(store, input.permissions);
  return { ...toKey(made), key: made.key, ...(warnings.length > 0 && { warnings }) };
}

function revokeKey(apiKeys: ApiKeys, { principal, origin }: Owner, id: number): Promise<void> {
  requireSession(principal);
  return apiKeys.revoke(principal.user.id, id, { by: principal, origin });
}

function toList(list: Page<ApiKey>) {
  return { ...list, items: list.items.map(toKey) };
}

/** Returns a key as answers show it. */
export function toKey({ id, name, prefix, permissions, expires_at, last_used_at, created_at }: ApiKey) {
  return {
    id,
    name,
    prefix,
    permissions: [...permissions],
    expires_at: expires_at?.toISOString() ?? null,
    last_used_at: last_used_at?.toISOString() ?? null,
    created_at: created_at.toISOString(),
  };
}
