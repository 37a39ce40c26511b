import { and, eq, inArray, isNull } from "drizzle-orm";
import type { Transaction } from "../../db/contract/database.ts";
import { AppError } from "../../errors/errors.ts";
import type { HookBus } from "../../hooks/bus.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import type { SecretBox } from "../keys/secret-box.ts";
import { writeAudit } from "../people/audit.ts";
import { type CoreStore, noteAccessChange } from "../people/store.ts";
import { lockUser } from "../people/users.ts";
import type { RawClaims } from "./claims.ts";
import type { ProviderClient } from "./client.ts";
import { findSessionIdentity, toSubjectHash } from "./identities.ts";
import type { IdentityStates } from "./states.ts";

const EVENT = "http://schemas.openid.net/event/backchannel-logout";
/** Longer than any token of it is taken for. */
const TOKEN_MS = 15 * 60_000;
/** Of a deadlock with a login. */
const RETRIES = 3;

export interface ProviderLogoutOptions {
  readonly store: CoreStore;
  readonly hooks: HookBus;
  readonly states: IdentityStates;
  readonly box: SecretBox;
}

/** Whose session a provider has ended, as its token says. */
interface Ended {
  readonly issuer: string;
  readonly subject: string | null;
  readonly sid: string | null;
}

/**
 * Ends the sessions that a logout token of a provider is about (OpenID Connect Back-Channel Logout 1.0), on all instances:
 * those of its session, or all of whoever it names.
 *
 * @returns how many those were
 * @throws AppError logout_token_invalid, provider_unavailable
 */
export async function endByProvider(
  { store, hooks, states }: ProviderLogoutOptions,
  client: Pick<ProviderClient, "readLogoutToken">,
  { token, provider, origin }: { readonly token: string; readonly provider: string; readonly origin: Origin },
): Promise<number> {
  const claims = await client.readLogoutToken(token);
  const asked = readClaims(claims);
  const jti = `logout ${asked.issuer} ${String(claims["jti"])}`;
  const { tables } = store;
  // All or nothing: a token that couldn't be followed is good when the provider sends it again.
  const end = async (tx: Transaction) => {
    if (!(await states.useUp(jti, TOKEN_MS, tx)))
      throw fail("logout_token_invalid", "The logout token was used before");
    const found = Map.groupBy(await findSessions(tx, store, asked), ({ userId }) => userId);
    const ended: { readonly user: Awaited<ReturnType<typeof lockUser>>; readonly session_id: string }[] = [];
    for (const [userId, sessions] of found) {
      const ids = sessions.map(({ sessionId }) => sessionId);
      // oxlint-disable-next-line no-await-in-loop -- on one connection
      const user = await lockUser(tx, tables, userId);
      // oxlint-disable-next-line no-await-in-loop
      await revoke(tx, store, ids);
      // oxlint-disable-next-line no-await-in-loop
      await noteAccessChange(tx, tables, userId);
      const target = { type: "user", id: userId };
      const after = { provider, ended: ids.length };
      // oxlint-disable-next-line no-await-in-loop
      await writeAudit(tx, tables, { action: "session.ended_by_provider", target, origin, after });
      ended.push(...ids.map((session_id) => ({ user, session_id })));
    }
    return ended;
  };
  const ended = await store.db.transaction(end, { isolation: "read committed", retries: RETRIES });
  for (const { user, session_id } of ended) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await hooks.emit("user.logout", { user, session_id, ip_address: origin.ipAddress });
  }
  return ended.length;
}

/**
 * Returns where a browser ends the session of the provider too that has begun one here; null where a password has, or the
 * provider has no such place, or can't be asked.
 *
 * @param clientOf returns what speaks with a provider by its name
 */
export async function findProviderLogout(
  { store, box }: Pick<ProviderLogoutOptions, "store" | "box">,
  sessionId: string,
  {
    clientOf,
    backTo,
  }: { readonly clientOf: (provider: string) => Promise<ProviderClient>; readonly backTo: () => string },
): Promise<{ readonly provider: string; readonly url: URL } | null> {
  const found = await findSessionIdentity(store, sessionId);
  if (found === null || found.idToken === null) return null;
  const { provider, idToken } = found;
  try {
    const client = await clientOf(provider);
    const url = await client.toEndSession(await box.open(idToken, sessionId), backTo());
    return url && { provider, url };
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

/** @throws AppError logout_token_invalid */
function readClaims({ iss, sub, sid, events, nonce }: RawClaims): Ended {
  const event = isObject(events) ? events[EVENT] : undefined;
  const [subject, session] = [sub ?? null, sid ?? null];
  const isText = [subject, session].every((one) => one === null || typeof one === "string");
  // With a nonce it would be an ID token, which browsers bring.
  if (typeof iss !== "string" || !isObject(event) || nonce !== undefined || !isText)
    throw fail("logout_token_invalid", "The token isn't one of a logout");
  if (subject === null && session === null)
    throw fail("logout_token_invalid", "The logout token says of nobody whose session has ended");
  return { issuer: iss, subject: subject as string | null, sid: session as string | null };
}

async function findSessions(
  tx: Transaction,
  { tables: { identities, identitySessions, sessions } }: CoreStore,
  { issuer, subject, sid }: Ended,
) {
  return tx
    .select({ sessionId: identitySessions.session_id, userId: identities.user_id })
    .from(identitySessions)
    .innerJoin(identities, eq(identities.id, identitySessions.identity_id))
    .innerJoin(sessions, eq(sessions.id, identitySessions.session_id))
    .where(
      and(
        eq(identities.issuer, issuer),
        subject === null ? undefined : eq(identities.subject_hash, toSubjectHash({ issuer, subject })),
        sid === null ? undefined : eq(identitySessions.sid_hash, hashToken(sid)),
        isNull(sessions.revoked_at),
      ),
    )
    .orderBy(identities.user_id);
}

async function revoke(
  tx: Transaction,
  { tables: { sessions } }: CoreStore,
  ids: readonly string[],
): Promise<void> {
  const own = and(inArray(sessions.id, [...ids]), isNull(sessions.revoked_at));
  await tx.update(sessions).set({ revoked_at: new Date() }).where(own);
}

function isObject(value: unknown): value is RawClaims {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
