import { and, eq, gt, isNull } from "drizzle-orm";
import { Elysia, t } from "elysia";
import { fail } from "../../errors/codes.ts";
import { listOf, page } from "../../db/paging/paginate.ts";
import { type ApiKeys, API_KEY_START } from "../api-keys/api-keys.ts";
import { Key, toKey } from "../api-keys/routes.ts";
import type { Guards } from "../identity/guards.ts";
import type { CoreStore } from "../people/store.ts";
import { findAccount } from "../people/users.ts";
import { Session } from "../sessions/routes.ts";
import type { Sessions } from "../sessions/sessions.ts";
import {
  type Actor,
  type AdministrationServices,
  administer,
  type Change,
  tellOwner,
} from "./administration.ts";
import { RowId } from "./answers.ts";
import { noUser } from "./user-list.ts";

export interface CredentialServices extends AdministrationServices {
  readonly sessions: Pick<Sessions, "list">;
  readonly apiKeys: Pick<ApiKeys, "list">;
  /** Present time, in ms. @default Date.now */
  readonly now?: () => number;
}

export interface CredentialRoutesOptions extends CredentialServices {
  readonly guards: Guards;
  readonly actorOf: (request: Request) => Actor;
}

const SessionOfUser = t.Object({ ...RowId.properties, session_id: t.String({ format: "uuid" }) });
const KeyOfUser = t.Object({ ...RowId.properties, api_key_id: RowId.properties.id });
const Ended = t.Object({ ended: t.Integer() });
/** Routes that end something of a user. */
const written = { permission: "users:write", params: RowId, response: { 200: Ended } } as const;

/** Serves where users are logged in, and their API keys, to who may administer them. */
export function credentialRoutes(options: CredentialRoutesOptions) {
  return new Elysia({
    name: "xcore/admin/users/credentials",
    prefix: "/admin/users/:id",
    detail: { tags: ["admin"] },
  })
    .use(sessionRoutes(options))
    .use(keyRoutes(options));
}

function sessionRoutes({ guards, actorOf, ...services }: CredentialRoutesOptions) {
  const { store, sessions } = services;
  return new Elysia({ name: "xcore/admin/users/sessions" })
    .use(guards)
    .get(
      "/sessions",
      async ({ params, query }) => {
        const user = await requireUser(store, params.id);
        return sessions.list({ user, sessionId: "" }, query);
      },
      {
        permission: "users:read",
        params: RowId,
        query: page,
        response: listOf(Session),
        detail: { summary: "Where a user is logged in" },
      },
    )
    .delete(
      "/sessions",
      async ({ params, request }) => ({ ended: await endSessions(services, actorOf(request), params.id) }),
      { ...written, detail: { summary: "End all sessions of a user" } },
    )
    .delete(
      "/sessions/:session_id",
      async ({ params, request, status }) => {
        await endSessions(services, actorOf(request), params.id, params.session_id);
        return status(204, undefined);
      },
      {
        ...written,
        params: SessionOfUser,
        response: { 204: t.Void() },
        detail: { summary: "End a session of a user" },
      },
    );
}

function keyRoutes({ guards, actorOf, ...services }: CredentialRoutesOptions) {
  const { store, apiKeys } = services;
  return new Elysia({ name: "xcore/admin/users/api-keys" })
    .use(guards)
    .get(
      "/api_keys",
      async ({ params, query }) => {
        await requireUser(store, params.id);
        const list = await apiKeys.list(params.id, query);
        return { ...list, items: list.items.map(toKey) };
      },
      {
        permission: "users:read",
        params: RowId,
        query: page,
        response: listOf(Key),
        detail: { summary: "The API keys of a user" },
      },
    )
    .delete(
      "/api_keys",
      async ({ params, request }) => ({ ended: await revokeKeys(services, actorOf(request), params.id) }),
      { ...written, detail: { summary: "Revoke all API keys of a user" } },
    )
    .delete(
      "/api_keys/:api_key_id",
      async ({ params, request, status }) => {
        await revokeKeys(services, actorOf(request), params.id, params.api_key_id);
        return status(204, undefined);
      },
      {
        ...written,
        params: KeyOfUser,
        response: { 204: t.Void() },
        detail: { summary: "Revoke an API key of a user" },
      },
    );
}

/**
 * Ends the sessions of a user, or one of them, and says how many there were.
 *
 * @throws AppError not_found; authorization_error when the user holds more than the actor
 */
export async function endSessions(
  services: Omit<CredentialServices, "sessions" | "apiKeys">,
  actor: Actor,
  id: number,
  sessionId?: string,
): Promise<number> {
  const { now = Date.now } = services;
  return administer(services, actor, toIntent(id, "sessions_ended", "end sessions of"), async (change) => {
    await requireLesser(change, id);
    const { sessions } = change.tables;
    const at = new Date(now());
    const which = sessionId === undefined ? undefined : eq(sessions.id, sessionId);
    const { rowsAffected: ended } = await change.tx
      .update(sessions)
      .set({ revoked_at: at })
      .where(and(eq(sessions.user_id, id), which, isNull(sessions.revoked_at), gt(sessions.expires_at, at)));
    if (ended === 0 && sessionId !== undefined) {
      throw fail("not_found", `Cannot end session "${sessionId}": user "${id}" has none with this id`);
    }
    if (ended > 0) {
      await change.noteAccess(id);
      await change.audit({ after: { ended, ...(sessionId !== undefined && { session_id: sessionId }) } });
    }
    return ended;
  });
}

/** Revokes the API keys of a user, or one of them, and says how many there were. @throws AppError as endSessions */
export async function revokeKeys(
  services: Omit<CredentialServices, "sessions" | "apiKeys">,
  actor: Actor,
  id: number,
  apiKeyId?: number,
): Promise<number> {
  const { now = Date.now } = services;
  return administer(
    services,
    actor,
    toIntent(id, "api_keys_revoked", "revoke API keys of"),
    async (change) => {
      await requireLesser(change, id);
      const { apiKeys } = change.tables;
      const which = apiKeyId === undefined ? undefined : eq(apiKeys.id, apiKeyId);
      const mine = and(eq(apiKeys.user_id, id), which, isNull(apiKeys.revoked_at));
      const keys = await change.tx
        .select({ name: apiKeys.name, prefix: apiKeys.prefix })
        .from(apiKeys)
        .where(mine);
      if (keys.length === 0 && apiKeyId !== undefined) {
        throw fail("not_found", `Cannot revoke API key "${apiKeyId}": user "${id}" has none with this id`);
      }
      if (keys.length === 0) return 0;
      await change.tx
        .update(apiKeys)
        .set({ revoked_at: new Date(now()) })
        .where(mine);
      await change.noteAccess(id);
      const shown = keys.map(({ name, prefix }) => ({ name, prefix: API_KEY_START + prefix }));
      await change.audit({ before: { api_keys: shown } });
      const [only] = keys.length === 1 ? keys : [];
      const named = only === undefined ? {} : { name: only.name };
      await tellOwner(services, change, { kind: "api_key_revoked", userId: id, ...named });
      return keys.length;
    },
  );
}

async function requireUser(store: CoreStore, id: number) {
  const account = await findAccount(store, id);
  if (account === null) throw noUser(id);
  return account;
}

/** @throws AppError not_found; authorization_error when the user holds more than the actor */
async function requireLesser(change: Change, id: number): Promise<void> {
  await requireUser(change.store, id);
  await change.assertHoldsAllOf(id);
}

function toIntent(id: number, done: string, verb: string) {
  return {
    permission: "users:write",
    action: `user.${done}`,
    target: { type: "user", id },
    doing: (user: string) => `${verb} user "${user}"`,
  } as const;
}
