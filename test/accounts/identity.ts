import { type AnyElysia, Elysia } from "elysia";
import { createAccessTokens, createOtpTokens } from "../../src/accounts/identity/access-tokens.ts";
import { ApiKeys } from "../../src/accounts/api-keys/api-keys.ts";
import { createAuthLimits } from "../../src/accounts/login/attempt-limits.ts";
import { authRoutes } from "../../src/accounts/login/routes.ts";
import { Authenticator } from "../../src/accounts/authenticator.ts";
import { createGuards } from "../../src/accounts/identity/guards.ts";
import { Site } from "../../src/web/clients/site.ts";
import { createPasskeys } from "../../src/accounts/passkeys/passkeys.ts";
import { Lockout } from "../../src/accounts/login/lockout.ts";
import { Login } from "../../src/accounts/login/login.ts";
import {
  createOwnerConfirmation,
  createPasswordConfirmation,
} from "../../src/accounts/login/password-confirmation.ts";
import { assertIdentifiedLately } from "../../src/accounts/two-factor/enrolment.ts";
import { createPasswords } from "../../src/accounts/login/passwords.ts";
import { Principals } from "../../src/accounts/identity/principals.ts";
import { createRefreshTokens } from "../../src/accounts/sessions/refresh-tokens.ts";
import { createSecretKey } from "../../src/accounts/keys/secret.ts";
import { sessionRoutes } from "../../src/accounts/sessions/routes.ts";
import { Sessions } from "../../src/accounts/sessions/sessions.ts";
import { createSetupLink } from "../../src/accounts/setup/link.ts";
import { setupRoutes } from "../../src/accounts/setup/routes.ts";
import type { Driver } from "../../src/db/contract/driver.ts";
import { createHookBus } from "../../src/hooks/bus.ts";
import { createAccessLoader } from "../../src/accounts/rights/access.ts";
import { ensureBuiltinRoles, grantRole, USER_ROLE } from "../../src/accounts/rights/builtin-roles.ts";
import { restrictPermissions } from "../../src/accounts/rights/permission-set.ts";
import { createErrorAnswer, toElysiaErrorHandler } from "../../src/web/error-answers.ts";
import { prepareRoutes, readBodies } from "../../src/web/routes.ts";
import { Templates } from "../../src/templates/templates.ts";
import { Clock, createDevices, openStore, readAudit, silent } from "./factor-accounts.ts";
import { OpenStreams } from "../../src/web/open-streams.ts";

export const PASSWORD = "correct horse battery";
/** By what people sign in without a password: all that is of this server. */
const WAYS = { partyId: () => "localhost", isServed: () => true };
export const SECRET_KEY = createSecretKey("a key that only the tests know, of 32 characters or more");

export interface IdentityOptions {
  readonly isOpen?: boolean;
  /** @default 4 */
  readonly bcryptCost?: number;
}

interface SendOptions {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  /** Where the request comes from. */
  readonly address?: string;
}

/** The embedded pages. */
const templates = new Templates({
  directory: "/nowhere",
  toDisplayPath: (file) => file,
  watches: false,
  log: silent,
  appName: () => "Acme <ERP>",
  theme: () => "light",
  isDebug: () => true,
  basePath: () => "",
  globalsOf: () => ({}),
});

function originOf({ headers }: Request) {
  return {
    ipAddress: headers.get("x-test-address") ?? "192.0.2.1",
    userAgent: headers.get("user-agent") ?? "",
  };
}

/** Everything that has to do with who somebody is, on the core's tables in an empty database, behind its routes. */
export async function createIdentity(
  driver: Driver,
  { isOpen = true, bcryptCost = 4 }: IdentityOptions = {},
) {
  const store = await openStore(driver);
  await ensureBuiltinRoles(store);
  const clock = new Clock();
  const { now } = clock;
  const events: { name: string; data: unknown }[] = [];
  const hooks = createHookBus({ onError: (error) => events.push({ name: "error", data: error }) });
  hooks.on("*", ({ name, data }) => void events.push({ name, data }));
  const passwords = createPasswords({ algorithm: "bcrypt", bcryptCost });
  const accessTokens = createAccessTokens({ secretKey: SECRET_KEY, lifetime: 1800, now });
  const otpTokens = createOtpTokens({ secretKey: SECRET_KEY, lifetime: 300, now });
  const refreshTokens = createRefreshTokens(SECRET_KEY);
  const sessions = new Sessions({
    store,
    accessTokens,
    refreshTokens,
    lifetimeMs: 30 * 86_400_000,
    longestMs: 90 * 86_400_000,
    now,
  });
  const devices = createDevices(store, clock);
  const waits: number[] = [];
  const lockout = new Lockout({
    store,
    now,
    wait: async (ms) => {
      waits.push(ms);
      clock.ms += ms;
    },
  });
  const limits = createAuthLimits({ now });
  const passkeys = createPasskeys({ store, secretKey: SECRET_KEY, appName: "Acme ERP", ways: WAYS, now });
  const login = new Login({
    store,
    passwords,
    sessions,
    issue: (tx, session) => sessions.create(tx, session),
    otpTokens,
    secondFactors: devices,
    passkeys: passkeys.proofs,
    lockout,
    limits,
    hooks,
    now,
  });
  const apiKeys = new ApiKeys({ store, log: silent, now });
  const confirmPassword = createPasswordConfirmation({ store, passwords, limits });
  const confirmOwner = createOwnerConfirmation(confirmPassword, ({ user, sessionId }) =>
    assertIdentifiedLately(store.db, store.tables, { userId: user.id, sessionId, nowMs: now() }),
  );
  const printed: string[] = [];
  const setup = createSetupLink({
    store,
    passwords,
    now,
    print: (text) => printed.push(text),
  });
  const registration = {
    store,
    passwords,
    limits,
    hooks,
    isOpen,
    domains: [],
    mustVerifyEmail: false,
    async sendVerification() {},
    grantDefaultRole: (tx: Parameters<typeof grantRole>[0], userId: number) =>
      grantRole(tx, store.tables, userId, USER_ROLE),
  };

  const principals = new Principals();
  const authenticator = new Authenticator({
    store,
    driver,
    tokens: accessTokens,
    apiKeys,
    loadAccess: createAccessLoader(store),
    restrict: restrictPermissions,
    principals,
    now,
  });
  const guards = createGuards({
    principals,
    authenticate: (request) => authenticator.authenticate(request),
  });
  const context = { guards, principals, originOf };
  const answerError = createErrorAnswer({ log: silent, accessLog: silent, isDebug: () => true });
  const app: AnyElysia = new Elysia()
    .onError(toElysiaErrorHandler(() => app, answerError, null))
    .use(
      authRoutes({
        ...context,
        site: new Site(),
        login,
        sessions,
        confirmPassword,
        registration,
        passwordChange: { store, passwords, sessions, confirmPassword, confirmOwner, ways: WAYS },
        profile: { store, secondFactors: devices },
      }),
    )
    .use(sessionRoutes({ ...context, sessions }))
    .use(setupRoutes({ setup, templates, originOf }));
  readBodies(app);
  prepareRoutes(app, new OpenStreams(), null);

  const send = async (method: string, path: string, body?: unknown, options: SendOptions = {}) => {
    const { token, headers = {}, address } = options;
    const request = new Request(`http://localhost${path}`, {
      method,
      headers: {
        ...(body === undefined || body instanceof URLSearchParams
          ? {}
          : { "content-type": "application/json" }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(address === undefined ? {} : { "x-test-address": address }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: body instanceof URLSearchParams ? body : JSON.stringify(body) }),
    });
    const response = await app.handle(request);
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
    const json: any = isJson ? JSON.parse(text) : null;
    return { status: response.status, headers: response.headers, body: json, text };
  };

  return {
    store,
    clock,
    hooks,
    events,
    passwords,
    sessions,
    accessTokens,
    otpTokens,
    refreshTokens,
    devices,
    apiKeys,
    setup,
    printed,
    confirmPassword,
    waits,
    registration,
    send,
    audit: () => readAudit(store),
    /** Registers an account with PASSWORD, and returns its id. */
    async register(email: string): Promise<number> {
      const { status, body, text } = await send("POST", "/auth/register", { email, password: PASSWORD });
      if (status !== 201) throw new Error(text);
      return body.id;
    },
    logIn: (email: string, password = PASSWORD, options: SendOptions = {}) =>
      send("POST", "/auth/login", { email, password }, options),
  };
}

export type Identity = Awaited<ReturnType<typeof createIdentity>>;
