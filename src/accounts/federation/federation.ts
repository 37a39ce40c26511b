import { eq } from "drizzle-orm";
import type { Logger } from "pino";
import type { Config } from "../../config/schema.ts";
import type { Transaction } from "../../db/contract/database.ts";
import type { Site } from "../../web/clients/site.ts";
import { fail } from "../identity/error-codes.ts";
import type { OtpTokens } from "../identity/access-tokens.ts";
import type { Origin } from "../identity/principal.ts";
import type { SessionOwner } from "../identity/session-owner.ts";
import { assertStanding, isUnlocked } from "../identity/standing.ts";
import type { SecretBox } from "../keys/secret-box.ts";
import { Admission, type AdmissionOptions, type Entry, type OtpChallenge, tooLate } from "../login/login.ts";
import { writeAudit } from "../people/audit.ts";
import { type Account, findAccountByEmail, lockUser, type WaysIn } from "../people/users.ts";
import type { CookieSession, TokenPair } from "../sessions/sessions.ts";
import { assertIdentifiedLately } from "../two-factor/enrolment.ts";
import { signInInvalid } from "./answers.ts";
import { AppSignIn, type AppSignInOptions, type GivenCode } from "./apps.ts";
import { type Begun, toChallenge, toEntry } from "./begun.ts";
import { type Claimed, findRefusal, toClaimed } from "./claims.ts";
import type { ProviderClient, Redeemed } from "./client.ts";
import { beginFlow, type Flow, FLOW_MS } from "./flows.ts";
import { findLinked, type Identity, insertIdentity, unlinkIdentity } from "./identities.ts";
import { findProvider, type Provider } from "./providers.ts";
import { acceptByProvider, provisionAccount, type ProvisioningOptions } from "./provisioning.ts";
import { followRoleRules, tellOfRoles } from "./role-rules.ts";
import type { IdentityStates } from "./states.ts";

export interface FederationOptions extends AdmissionOptions<CookieSession> {
  /** What config.json says now. */
  readonly settings: () => { readonly auth: Config["auth"]; readonly publicUrl: string | null };
  readonly site: Site;
  readonly otpTokens: OtpTokens;
  readonly box: SecretBox;
  readonly states: IdentityStates;
  readonly log: Logger;
  /** Gives a new account the role that everybody has. */
  readonly grantDefaultRole: ProvisioningOptions["grantDefaultRole"];
  readonly ways: WaysIn;
  /** Whether routes ask for a role by its name. */
  readonly isGuardRole: (role: string) => boolean;
  /** Adds a session that tokens are held of. */
  readonly issueTokens: AppSignInOptions["issueTokens"];
}

/** What comes of an answer that a browser has brought from a provider. */
export type Outcome =
  | { readonly kind: "entered"; readonly session: CookieSession }
  /** An app has begun, and goes on with the code in this address. */
  | { readonly kind: "app"; readonly url: URL }
  | { readonly kind: "second step"; readonly challenge: OtpChallenge }
  /** The provider's account isn't linked to one here yet, which its owner has to agree to. */
  | { readonly kind: "link"; readonly token: string }
  | { readonly kind: "verified"; readonly owner: Pick<SessionOwner, "user" | "sessionId"> };

/** What a provider's account is to be linked to. */
export interface PendingLink {
  readonly provider: string;
  readonly title: string;
  readonly claimed: Claimed;
  /** Where its owner goes on to afterwards. */
  readonly next: string;
  /** The session that it was begun in; null for one that had an account's email. */
  readonly sessionId: string | null;
}

/** What a provider has said of whoever is on a way. */
interface Told {
  readonly flow: Flow;
  readonly provider: Provider;
  readonly claimed: Claimed;
  readonly redeemed: Redeemed;
  readonly origin: Origin;
}

/** Providers' sessions may last longer than it: who shows who they are again is asked again. */
const FRESH_MS = 10 * 60_000;
const INACTIVE = "Your account here isn't active: ask an administrator";
/** As its owner has said of a notice that it wasn't them. */
const LOCKED = "Your account here is locked: set another password by mail first";
/** ID tokens that are larger aren't kept: whose session is to end, the provider asks then. */
const MAX_ID_TOKEN = 16_384; // characters

/**
 * Signs people in by what providers say of them. An account is found by what a provider calls its own (`iss` and `sub`), and
 * never by an email: whoever has one that an account has here is asked to sign in to that first, and to agree.
 */
export class Federation {
  readonly #options: FederationOptions;
  readonly #admission: Admission<CookieSession>;
  readonly #apps: AppSignIn;
  /** By their settings: another setting is another client. */
  readonly #clients = new Map<string, Promise<ProviderClient>>();

  constructor(options: FederationOptions) {
    this.#options = options;
    this.#admission = new Admission(options);
    this.#apps = new AppSignIn(options);
  }

  /**
   * Begins a way to a provider.
   *
   * @throws AppError not_found, provider_unavailable
   */
  async begin(
    id: string,
    asked: Pick<Flow, "purpose" | "next" | "sessionId" | "invitation" | "app" | "redirectUri">,
  ): Promise<{ readonly url: URL; readonly flow: Flow }> {
    const provider = this.#find(id);
    const flow = beginFlow({ provider: id, ...asked });
    const client = await this.clientOf(provider);
    return { url: await client.authorize(flow), flow };
  }

  /**
   * Takes the answer that a browser has brought, which counts once.
   *
   * @param query what stands behind the question mark
   * @param owner who the browser is signed in as; null for nobody
   * @throws AppError sign_in_invalid, provider_refused, provider_unavailable, provider_account_refused
   * @throws AppError authorization_error when a hook cancels it
   */
  async complete(flow: Flow, query: string, owner: SessionOwner | null, origin: Origin): Promise<Outcome> {
    const provider = this.#find(flow.provider);
    const client = await this.clientOf(provider);
    // Before anything is asked: what comes again costs the provider nothing.
    if (new URLSearchParams(query).get("state") !== flow.state)
      throw signInInvalid("This isn't the answer to how you began to sign in: sign in again");
    if (!(await this.#options.states.useUp(`state ${flow.state}`, FLOW_MS)))
      throw signInInvalid("What the provider has answered isn't valid, or was used before: sign in again");
    const redeemed = await client.redeem(query, flow);
    const claimed = toClaimed(provider, redeemed.issuer, redeemed.claims);
    const told = { flow, provider, claimed, redeemed, origin };
    const refusal = findRefusal(provider, claimed, redeemed.claims);
    if (refusal !== null) throw await this.#refuse(told, refusal);
    if (flow.purpose === "link") return this.#offerLink(told);
    const linked = await findLinked(this.#options.store, claimed);
    if (flow.purpose === "verify") return this.#verify(told, linked?.account ?? null, owner);
    if (linked !== null) return this.#enter(told, linked.identity, linked.account);
    return this.#meet(told);
  }

  /** Returns what is to be noted of a first step that a provider's word was. @throws AppError authentication_error */
  async readBegun(step: string): Promise<Omit<Entry, "hasOtp">> {
    const begun = await this.#options.states.find<Begun>("begun", step);
    if (begun === null) throw tooLate();
    return toEntry(this.#options, begun, step);
  }

  /** Lets an app in whose user has come back to it with a code. @throws what `AppSignIn.exchange` throws */
  exchange(given: GivenCode, origin: Origin): Promise<TokenPair | OtpChallenge> {
    return this.#apps.exchange(given, origin);
  }

  /** Returns what is to be linked; null where that was done, or begun too long ago. */
  findPending(token: string | null): Promise<PendingLink | null> {
    return token === null ? Promise.resolve(null) : this.#options.states.find<PendingLink>("link", token);
  }

  /**
   * Links the provider's account to the one whose owner agrees, who has shown a short while ago that it is them.
   *
   * @throws AppError sign_in_invalid; identification_expired, otp_expired; conflict where it is linked already; authorization_error
   * for somebody else's
   */
  async link(owner: SessionOwner, token: string): Promise<PendingLink> {
    const { store, states, hooks } = this.#options;
    const { db, tables } = store;
    const pending = await this.findPending(token);
    if (pending === null) throw signInInvalid("There is nothing to link, or it took too long: begin again");
    assertLinkable(pending, owner);
    const { user, sessionId, origin } = owner;
    const { claimed, provider } = pending;
    const identity = await db.transaction(async (tx) => {
      const actor = await lockUser(tx, tables, user.id);
      await assertStanding(tx, tables, { userId: user.id, sessionId });
      await assertIdentifiedLately(tx, tables, { userId: user.id, sessionId, nowMs: Date.now() });
      if (!(await states.end(tx, token))) throw signInInvalid("It is linked already");
      const added = await insertIdentity(tx, tables, user.id, { provider, claimed });
      await noteVerified(tx, tables, actor, claimed);
      const target = { type: "identity", id: added.id };
      const after = { provider, email: claimed.email };
      await writeAudit(tx, tables, { action: "identity.linked", actor, target, origin, after });
      const notice = { kind: "provider_linked", userId: user.id, sessionId, origin, name: provider } as const;
      await this.#options.notices?.tell(tx, notice);
      return added;
    });
    await followRoleRules(store, hooks, { identityId: identity.id, user, wanted: claimed.roles, origin });
    return pending;
  }

  /** Unlinks one. @throws what `unlinkIdentity` throws */
  async unlink(owner: SessionOwner, id: number): Promise<void> {
    const { store, hooks, notices, ways } = this.#options;
    const services = { ...store, ways, ...(notices && { notices }) };
    await tellOfRoles(hooks, owner, await unlinkIdentity(services, owner, id));
  }

  /** Returns what speaks with a provider. */
  clientOf(provider: Provider): Promise<ProviderClient> {
    const key = JSON.stringify(provider);
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const { log } = this.#options;
    const client: Promise<ProviderClient> =
      provider.kind === "github"
        ? import("./github.ts").then((made) => new made.GithubClient(provider, log))
        : import("./oidc.ts").then((made) => new made.OidcClient(provider, log));
    this.#clients.set(key, client);
    return client;
  }

  #find(id: string): Provider {
    return findProvider(this.#options.settings().auth, id);
  }

  /** Lets in whom a provider's account is linked to, who still gives the second factor that the account has. */
  async #enter(told: Told, identity: Identity, account: Account): Promise<Outcome> {
    const { store, secondFactors, otpTokens, states, hooks } = this.#options;
    const { provider, claimed, redeemed, origin } = told;
    if (!isUnlocked(account)) throw await this.#refuse(told, account.is_active ? LOCKED : INACTIVE, account);
    const { id: userId, email } = account;
    const user = { id: userId, email };
    await followRoleRules(store, hooks, { identityId: identity.id, user, wanted: claimed.roles, origin });
    const begun: Begun = {
      provider: provider.id,
      identityId: identity.id,
      email: claimed.email,
      sid: claimed.sid,
      idToken: (redeemed.idToken?.length ?? 0) > MAX_ID_TOKEN ? null : redeemed.idToken,
      endsAt: provider.sessionMs === null ? null : Date.now() + provider.sessionMs,
      identifiedAt: claimed.authenticatedAt === null ? null : Math.min(claimed.authenticatedAt, Date.now()),
    };
    const { hasOtp } = claimed;
    const { app } = told.flow;
    if (app !== null) return { kind: "app", url: await this.#apps.hand(app, { begun, account, hasOtp }) };
    if (!hasOtp && (await secondFactors.isEnabled(userId))) {
      const step = await states.keep("begun", begun, otpTokens.lifetime * 1000);
      return { kind: "second step", challenge: await toChallenge(otpTokens, account, step) };
    }
    const entry = { ...toEntry(this.#options, begun, null), hasOtp };
    return { kind: "entered", session: await this.#admission.admit(account, origin, entry) };
  }

  /** Meets somebody whose account at the provider isn't linked to any here. */
  async #meet(told: Told): Promise<Outcome> {
    const { store } = this.#options;
    const { provider, claimed } = told;
    const { email, isVerified } = claimed;
    if (email === null || !isVerified)
      throw await this.#refuse(
        told,
        "The provider doesn't say that your email is verified: verify it there first",
      );
    if ((await findAccountByEmail(store, email)) !== null) return this.#offerLink(told);
    const { invitation } = told.flow;
    if (invitation !== null) {
      const asked = { provider: provider.id, claimed, email, invitation };
      const accepted = await acceptByProvider(this.#options, asked, told.origin);
      return this.#enter(told, accepted.identity, accepted.account);
    }
    if (!provider.provisioning)
      throw await this.#refuse(told, "There is no account here for your email: ask an administrator for one");
    const made = await provisionAccount(
      this.#options,
      { provider: provider.id, claimed, email },
      told.origin,
    );
    return this.#enter(told, made.identity, made.account);
  }

  async #offerLink(told: Told): Promise<Outcome> {
    const { store, states } = this.#options;
    const { flow, provider, claimed } = told;
    if (claimed.email === null || !claimed.isVerified)
      throw await this.#refuse(
        told,
        "The provider doesn't say that your email is verified: verify it there first",
      );
    if ((await findLinked(store, claimed)) !== null)
      throw fail("conflict", "The provider's account is linked to an account here already");
    const { id, title } = provider;
    const { next, sessionId } = flow;
    const pending: PendingLink = { provider: id, title, claimed, next, sessionId };
    return { kind: "link", token: await states.keep("link", pending, FLOW_MS) };
  }

  async #verify(told: Told, account: Account | null, owner: SessionOwner | null): Promise<Outcome> {
    const { flow, claimed } = told;
    const isOwn = owner !== null && account?.id === owner.user.id && flow.sessionId === owner.sessionId;
    if (!isOwn) throw await this.#refuse(told, "The provider knows somebody else than who is signed in here");
    const at = claimed.authenticatedAt ?? Date.now();
    if (Math.abs(Date.now() - at) > FRESH_MS)
      throw await this.#refuse(told, "The provider hasn't asked who you are: sign out there, and try again");
    return { kind: "verified", owner };
  }

  /** Writes down who isn't let in, and returns the error that tells them why. */
  async #refuse({ provider, claimed, origin }: Told, message: string, account: Account | null = null) {
    const { store, hooks } = this.#options;
    const { email } = claimed;
    await writeAudit(store.db, store.tables, {
      action: "user.login_failed",
      result: "refused",
      origin,
      ...(account !== null && { target: { type: "user", id: account.id } }),
      after: { provider: provider.id, email, reason: message },
    });
    await hooks.emit("user.login_failed", {
      email,
      user_id: account?.id ?? null,
      reason: account === null ? "unknown_email" : "inactive",
      ip_address: origin.ipAddress,
      user_agent: origin.userAgent,
    });
    return fail("provider_account_refused", message);
  }
}

/** @throws AppError authorization_error */
export function assertLinkable(
  { sessionId, claimed }: PendingLink,
  owner: Pick<SessionOwner, "user" | "sessionId">,
): void {
  const isOwn = sessionId === null ? claimed.email === owner.user.email : sessionId === owner.sessionId;
  if (isOwn) return;
  throw fail("authorization_error", "This was begun for another account: sign in to that one to link it");
}

/** The provider has verified the address of the account. */
async function noteVerified(
  tx: Transaction,
  { users }: FederationOptions["store"]["tables"],
  { id, email }: { readonly id: number; readonly email: string },
  claimed: Claimed,
): Promise<void> {
  if (!claimed.isVerified || claimed.email !== email) return;
  const [account] = await tx.select({ at: users.email_verified_at }).from(users).where(eq(users.id, id));
  if (account?.at !== null) return;
  const verified = { email_verified_at: new Date(), must_verify_email: false };
  await tx.update(users).set(verified).where(eq(users.id, id));
}
