import type { Logger } from "pino";
import { type AccessTokens, createAccessTokens, createOtpTokens } from "./identity/access-tokens.ts";
import { ApiKeys } from "./api-keys/api-keys.ts";
import { createAuthLimits } from "./login/attempt-limits.ts";
import { Authenticator } from "./authenticator.ts";
import type { CoreStore } from "./people/store.ts";
import { BrowserCredentials } from "./browser/credentials.ts";
import { createCsrfTokens } from "./browser/csrf-tokens.ts";
import { createSessionCookies } from "./browser/cookies.ts";
import { Tickets } from "./browser/tickets.ts";
import { createDenials } from "./denials.ts";
import { createProviders, type ProvidersOptions } from "./federation/on-demand.ts";
import { createGuards } from "./identity/guards.ts";
import { createViewerFinder, type FindViewer } from "./impersonation/viewers.ts";
import type { Deletions, DeletionsOptions } from "./deletion/deletions.ts";
import { Afterwork } from "./links/afterwork.ts";
import { AccountLinks } from "./links/links.ts";
import { Lockout } from "./login/lockout.ts";
import { Login } from "./login/login.ts";
import { createNotices, NO_NOTICES, type Notices } from "./notices/notices.ts";
import { OtpDevices } from "./two-factor/devices.ts";
import { assertIdentifiedLately } from "./two-factor/enrolment.ts";
import {
  createOwnerConfirmation,
  createPasswordConfirmation,
  type PasswordConfirmationOptions,
} from "./login/password-confirmation.ts";
import { createPasswords } from "./login/passwords.ts";
import { createPasskeys } from "./passkeys/passkeys.ts";
import type { RegistrationOptions } from "./login/registration.ts";
import type { Principal } from "./identity/principal.ts";
import type { MailArrival, SendMail } from "./people/send-mail.ts";
import { Principals } from "./identity/principals.ts";
import { createRefreshTokens } from "./sessions/refresh-tokens.ts";
import { SecretBox } from "./keys/secret-box.ts";
import type { SecretKey } from "./keys/secret.ts";
import { Sessions } from "./sessions/sessions.ts";
import { createSetupLink } from "./setup/link.ts";
import type { Config } from "../config/schema.ts";
import { CORE_OWNER } from "../db/migrations/core.ts";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import type { LimitStore } from "../cluster/limit-store.ts";
import type { Driver } from "../db/contract/driver.ts";
import type { HookBus } from "../hooks/bus.ts";
import type { Site } from "../web/clients/site.ts";
import type { RateLimits } from "../web/throttling/rate-limits.ts";
import type { KeptAnswers } from "../web/idempotency/kept-answers.ts";
import { type AccessLoader, createAccessLoader } from "./rights/access.ts";
import { ensureBuiltinRoles, grantRole, USER_ROLE } from "./rights/builtin-roles.ts";
import { keepGuardRoles } from "./rights/guard-roles.ts";
import { CORE_PERMISSIONS, declarePermissions, type TakenPermission } from "./rights/permission-catalog.ts";
import { restrictPermissions } from "./rights/permission-set.ts";
import { createStandIns, createUserDirectory } from "./user-directory.ts";
import { createWaysIn, type WaysIn } from "./ways-in.ts";

const OTP_STEP_SECONDS = 300;
const PURGE_MS = 3_600_000;
const DAY_MS = 86_400_000;

export interface AccountsOptions {
  readonly driver: Driver;
  readonly feed: ChangeFeed | null;
  readonly store: CoreStore;
  readonly secretKey: SecretKey;
  readonly appName: string;
  readonly security: Config["security"];
  readonly hooks: HookBus;
  readonly limits: RateLimits;
  /** How browsers reach the server. */
  readonly site: Site;
  /** In which instances count attempts together; null without Redis. */
  readonly limitStore: LimitStore | null;
  readonly log: Logger;
  /** What config.json says now of providers, and of where browsers reach the server. */
  readonly settings: ProvidersOptions["settings"];
  readonly sendMail: SendMail;
  /** Where mail arrives that is sent. */
  readonly mailArrival: () => MailArrival;
  /** Where a path of this server is reached from outside. */
  readonly toUrl: (path: string) => string;
  /** Shows text to whoever started the server, and to no log file. */
  readonly print: (text: string) => void;
}

/** The services of accounts, wired together. */
export interface Accounts extends Identity, LoginServices {
  /** How long somebody may be viewed as at once, in ms. */
  readonly impersonationMs: number;
  /** Is told of refused requests, and writes those of guards to the audit log. */
  readonly denials: Denials;
  /** Tells owners of what is done to their accounts. */
  readonly notices: Notices;
  readonly ways: WaysIn;
  /** Enters the permissions of a plugin; returns those that belong to somebody else. */
  declarePermissions(
    plugin: string,
    declared: Readonly<Record<string, string>>,
  ): Promise<readonly TakenPermission[]>;
  /** Keeps which roles the routes of a plugin ask for, in the place of those before. */
  keepGuardRoles(plugin: string, roles: readonly string[]): Promise<void>;
  /** Makes the built-in roles and enters the core's permissions; from then on old sessions are purged by the hour. */
  start(): Promise<void>;
  /** Writes what is yet to be written. */
  close(): Promise<void>;
}

type Identity = ReturnType<typeof createIdentity>;
type LoginServices = ReturnType<typeof createLoginServices>;
type Denials = ReturnType<typeof createDenials>;

/** Builds the services of accounts; their routes are built from them. */
export function createAccounts(given: AccountsOptions): Accounts {
  const { store, log } = given;
  const links = new AccountLinks(store);
  const options = { ...given, links, notices: toNotices(given, links), ways: createWaysIn(given) };
  const identity = createIdentity(options);
  const services = createLoginServices(options, identity);
  const denials = createDenials({ ...options, ...identity });
  const purge = (): void =>
    void Promise.all([
      identity.sessions.purge(),
      identity.browser.tickets.purge(),
      services.lockout.purge(),
      links.purge(),
      services.passkeys.challenges.purge(),
      import("./invitations/invitations.ts").then((invitations) => invitations.purgeInvitations(store)),
      services.providers.purge(),
      identity.keptAnswers().then((answers) => answers.purge()),
    ]).catch((error: unknown) => log.warn({ err: error }, "old sessions and answers can't be purged"));
  let timer: ReturnType<typeof setInterval> | null = null;
  return {
    ...identity,
    ...services,
    notices: options.notices,
    ways: options.ways,
    denials,
    impersonationMs: options.security.impersonation_minutes * 60_000,
    declarePermissions: (plugin, declared) => declarePermissions(store, plugin, declared),
    keepGuardRoles: (plugin, roles) => keepGuardRoles(store, plugin, roles),
    async start() {
      await ensureBuiltinRoles(store);
      await declarePermissions(store, CORE_OWNER, CORE_PERMISSIONS);
      timer = setInterval(purge, PURGE_MS);
      timer.unref();
    },
    async close() {
      if (timer !== null) clearInterval(timer);
      await services.afterwork.settle();
      await identity.authenticator.settle();
      await identity.apiKeys.settle();
      await denials.close();
    },
  };
}

function toNotices(options: AccountsOptions, links: AccountLinks): Notices {
  return options.security.notices ? createNotices({ ...options, links }) : NO_NOTICES;
}

/** The options, with what is made of them first. */
interface Wiring extends AccountsOptions {
  readonly links: AccountLinks;
  readonly notices: Notices;
  readonly ways: WaysIn;
}

/** What tells who a request comes from, and what they may do. */
function createIdentity(options: Wiring) {
  const { notices, driver, feed, store, secretKey, security, limits, log } = options;
  const principals = new Principals();
  const loadAccess = createAccessLoader(store);
  const accessTokens = createAccessTokens({
    secretKey,
    lifetime: security.access_token_expire_minutes * 60,
  });
  const apiKeys = new ApiKeys({ store, log, notices });
  const sessions = createSessions(options, accessTokens);
  const findViewer = createViewerFinder({
    store,
    loadAccess,
    isGuardRole: (role) => principals.isGuardRole(role),
  });
  const browser = createBrowser(options, { sessions, loadAccess, findViewer });
  const authenticator = new Authenticator({
    store,
    driver,
    feed,
    tokens: accessTokens,
    apiKeys,
    browser: browser.credentials,
    loadAccess,
    findViewer,
    restrict: restrictPermissions,
    principals,
    accessCacheMs: security.access_cache * 1000,
  });
  const keptAnswers = createKeptAnswers({ store, secretKey, principals });
  const users = createUserDirectory({ store, loadAccess, principals });
  const findStandIn = createStandIns({ loadAccess, apiKeys, principals });
  const guards = createGuards({
    principals,
    authenticate: (request) => authenticator.authenticate(request),
    follow: (request, follower) => authenticator.follow(request, follower),
    limits,
    keepAnswer: async (request, run, asked) => (await keptAnswers()).answer(request, run, asked),
  });
  /** Finds out anew who makes a request, for what is done long after its guards. */
  const identifyAgain = async (request: Request): Promise<Principal> => {
    await authenticator.authenticate(request);
    return principals.require(request);
  };
  return {
    principals,
    guards,
    authenticator,
    identifyAgain,
    accessTokens,
    sessions,
    browser,
    apiKeys,
    users,
    findStandIn,
    keptAnswers,
  };
}

function createSessions(
  { store, secretKey, security }: AccountsOptions,
  accessTokens: AccessTokens,
): Sessions {
  const { refresh_token_expire_days, session_idle_minutes, session_max_days } = security;
  return new Sessions({
    store,
    accessTokens,
    refreshTokens: createRefreshTokens(secretKey),
    lifetimeMs: Math.min(refresh_token_expire_days * DAY_MS, session_idle_minutes * 60_000),
    longestMs: session_max_days * DAY_MS,
  });
}

/** What tells who sits before a browser. */
function createBrowser(
  { store, secretKey, site, log }: AccountsOptions,
  services: {
    readonly sessions: Sessions;
    readonly loadAccess: AccessLoader;
    readonly findViewer: FindViewer;
  },
) {
  const { sessions } = services;
  const csrf = createCsrfTokens(secretKey, sessions.lifetimes.longestMs);
  const tickets = new Tickets(store);
  const cookies = createSessionCookies(secretKey);
  const credentials = new BrowserCredentials({
    ...services,
    store,
    cookies,
    csrf,
    tickets,
    site,
    log,
  });
  return { csrf, tickets, credentials, site };
}

/** Returns what keeps the answers of requests that can be sent again; most servers are never sent a key. */
function createKeptAnswers({
  store: { db, tables },
  secretKey,
  principals,
}: Pick<AccountsOptions, "store" | "secretKey"> & { principals: Principals }): () => Promise<KeptAnswers> {
  let loading: Promise<KeptAnswers> | null = null;
  const load = async (): Promise<KeptAnswers> => {
    const kept = await import("../web/idempotency/kept-answers.ts");
    return new kept.KeptAnswers({
      db,
      table: tables.idempotencyKeys,
      box: new SecretBox(secretKey.deriveKey("idempotency")),
      fingerprintKey: secretKey.deriveKey("idempotency fingerprints"),
      ownerOf: (request) => toOwnerName(principals.peek(request)),
    });
  };
  return () => (loading ??= load());
}

/** Returns what deletes accounts for their owners, which is seldom asked for. */
function createDeletions(options: DeletionsOptions): () => Promise<Deletions> {
  let loading: Promise<Deletions> | null = null;
  const load = async (): Promise<Deletions> => {
    const made = await import("./deletion/deletions.ts");
    return new made.Deletions(options);
  };
  return () => (loading ??= load());
}

function createDevices({ store, secretKey, appName, notices }: Wiring): OtpDevices {
  const box = new SecretBox(secretKey.deriveKey("otp"));
  return new OtpDevices({ store, box, issuer: appName, notices });
}

/** Names whose keys of requests those are: who views as somebody else meets none of theirs. */
function toOwnerName(principal: Principal | null): string {
  if (principal === null) return "anybody";
  const { user, viewer = null } = principal;
  return viewer === null ? String(user.id) : `${user.id} viewed by ${viewer.id}`;
}

/** What somebody becomes known with. */
function createLoginServices(
  options: Wiring,
  { sessions, principals }: Pick<Identity, "sessions" | "principals">,
) {
  const { store, secretKey, security, hooks, limitStore, log, print } = options;
  const { links, notices, sendMail, mailArrival, toUrl } = options;
  const passwords = createPasswords({
    algorithm: security.password_hash_algorithm,
    bcryptCost: security.bcrypt_cost,
  });
  const limits = createAuthLimits({ store: limitStore });
  const devices = createDevices(options);
  const lockout = new Lockout({ store });
  const afterwork = new Afterwork(log);
  const passkeys = createPasskeys(options);
  const entering = {
    store,
    passwords,
    sessions,
    otpTokens: createOtpTokens({ secretKey, lifetime: OTP_STEP_SECONDS }),
    secondFactors: devices,
    passkeys: passkeys.proofs,
    lockout,
    limits,
    hooks,
    requiresVerifiedEmail: security.require_verified_email,
    notices,
  };
  const grantDefaultRole: RegistrationOptions["grantDefaultRole"] = (tx, userId) =>
    grantRole(tx, store.tables, userId, USER_ROLE);
  const forCookie = (...asked: Parameters<Sessions["createForCookie"]>) => sessions.createForCookie(...asked);
  const providers = createProviders({
    ...options,
    ...entering,
    issue: forCookie,
    issueTokens: (...asked) => sessions.create(...asked),
    grantDefaultRole,
    isGuardRole: (role) => principals.isGuardRole(role),
  });
  const reading = { ...entering, readBegun: (step: string) => providers.readBegun(step) };
  const login = new Login({ ...reading, issue: (tx, session) => sessions.create(tx, session) });
  const browserLogin = new Login({ ...reading, issue: forCookie });
  const registration = createRegistration(options, { passwords, limits, links, grantDefaultRole });
  const setup = createSetupLink({ store, passwords, print });
  const confirmations = createConfirmations({ store, passwords, limits });
  const deletions = createDeletions({ ...options, ...confirmations, links, sessions });
  const entries = { login, browserLogin, registration, setup, deletions, providers };
  const isMailing = (): boolean => mailArrival() === "mailbox";
  const mailing = { links, sendMail, mailArrival, isMailing, toUrl, afterwork };
  return {
    passwords,
    limits,
    devices,
    passkeys,
    lockout,
    ...mailing,
    ...entries,
    ...confirmations,
  };
}

/** What asks somebody who is logged in to show again that it is them. */
function createConfirmations(options: PasswordConfirmationOptions) {
  const { db, tables } = options.store;
  const confirmPassword = createPasswordConfirmation(options);
  const confirmOwner = createOwnerConfirmation(confirmPassword, ({ user, sessionId }) =>
    assertIdentifiedLately(db, tables, { userId: user.id, sessionId, nowMs: Date.now() }),
  );
  return { confirmPassword, confirmOwner };
}

function createRegistration(
  { store, security, hooks, sendMail }: AccountsOptions,
  services: Pick<RegistrationOptions, "passwords" | "limits" | "grantDefaultRole"> & {
    readonly links: AccountLinks;
  },
): RegistrationOptions {
  return {
    ...services,
    store,
    hooks,
    isOpen: security.allow_registration,
    domains: security.registration_domains,
    mustVerifyEmail: security.require_verified_email,
    async sendVerification(tx, account, origin) {
      const verification = await import("./email/verification.ts");
      await verification.sendVerification(tx, { links: services.links, sendMail }, account, origin);
    },
  };
}
