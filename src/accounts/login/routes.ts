import { Value } from "@sinclair/typebox/value";
import { type Context, Elysia, t } from "elysia";
import { THEMES } from "../../config/schema.ts";
import { invalidRequest } from "../../errors/codes.ts";
import { isForm, type Site } from "../../web/clients/site.ts";
import type { Guards } from "../identity/guards.ts";
import type { Credentials, Login } from "./login.ts";
export type { PasskeyForm } from "./passkey-entry.ts";
import { changePassword, type PasswordChangeOptions, removePassword } from "./password-change.ts";
import { assertPasswordGrant, grantByPassword, OauthError } from "./password-grant.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import { register, type RegistrationOptions } from "./registration.ts";
import { changeProfile, type ProfileOptions, readProfile } from "./profile.ts";
import {
  BY_SESSION,
  type ConfirmPassword,
  FRESH_PASSWORD,
  type SessionOwner,
  toPresentOwner,
  toSessionOwner,
} from "../identity/session-owner.ts";
import type { CookieSession, Sessions, TokenPair } from "../sessions/sessions.ts";
import { Tokens } from "../sessions/routes.ts";
import { type PasskeyForms, passkeyEntryRoutes } from "./passkey-entry.ts";
import { FRESH_MS } from "../identity/standing.ts";

export const OtpChallenge = t.Object({
  otp_required: t.Literal(true),
  otp_token: t.String({ description: "For /auth/login/otp" }),
  expires_in: t.Integer({ description: "In seconds" }),
});

const CLOSED =
  "Answers 403 `registration_closed` unless `security.allow_registration` is on, which it isn't by default: accounts " +
  "are made by administrators then.";
const Email = t.String({ minLength: 1, maxLength: 320 });
const GivenPassword = t.String({ minLength: 1, maxLength: 1024 });

const LoginBody = t.Object({
  email: t.Optional(Email),
  username: t.Optional(t.String({ ...Email, description: "The email, as forms of OAuth 2 call it" })),
  password: GivenPassword,
  grant_type: t.Optional(
    t.Literal("password", {
      description: "Asks for answers as OAuth 2 has them, errors too (RFC 6749, 4.3)",
    }),
  ),
});

const CodeBody = t.Object({
  otp_token: t.String({ maxLength: 4096 }),
  code: t.String({ minLength: 1, maxLength: 64, description: "Of a device, or a recovery code" }),
});

const Next = t.Object({
  next: t.Optional(
    t.String({ maxLength: 4096, description: "Where a browser goes on to: a path of this server" }),
  ),
});

const RegisteredUser = t.Object({
  id: t.Integer(),
  email: t.String(),
  full_name: t.Nullable(t.String()),
  is_active: t.Boolean(),
  created_at: t.String({ format: "date-time" }),
});

const Profile = t.Object({
  id: t.Integer(),
  email: t.String(),
  full_name: t.Nullable(t.String()),
  roles: t.Array(t.String()),
  permissions: t.Array(t.String(), { description: "As granted, wildcards and all" }),
  has_password: t.Boolean({ description: "Whether it can be logged in to with a password" }),
  has_otp: t.Boolean({ description: "Whether a second factor is on" }),
  otp_required: t.Boolean({ description: "Whether a role asks for a second factor before anything else" }),
  language: t.Nullable(t.String({ description: "Of pages; null: what the browser asks for" })),
  theme: t.Nullable(t.String({ description: "Of pages; null: the server's" })),
  viewer: t.Nullable(
    t.Object(
      { id: t.Integer(), email: t.String(), until: t.String({ format: "date-time" }) },
      { description: "The administrator who views as the account; null where its owner asks" },
    ),
  ),
  last_login_at: t.Nullable(t.String({ format: "date-time" })),
  created_at: t.String({ format: "date-time" }),
});

const ProfileChange = t.Object({
  full_name: t.Optional(t.Nullable(t.String({ maxLength: 255 }))),
  language: t.Optional(
    t.Nullable(t.String({ pattern: "^[a-z]{2,3}(-[A-Z]{2})?$", description: 'Such as "fr"' })),
  ),
  theme: t.Optional(
    t.Nullable(t.String({ pattern: `^(${THEMES.join("|")})$`, description: "One of daisyUI's" })),
  ),
});

/** Answers the forms that browsers send from our pages. */
export interface BrowserForms extends PasskeyForms {
  /** @param next where to go on to, as it was sent */
  takePassword(request: Request, credentials: Credentials, next: string | undefined): Promise<Response>;
  takeCode(
    request: Request,
    given: { otp_token: string; code: string },
    next: string | undefined,
  ): Promise<Response>;
  /** Shows the form again that a body came from which doesn't fit. */
  refuse(request: Request, form: "password" | "code", body: unknown, next: unknown): Promise<Response>;
  /** Takes the cookie from a browser; null where it is answered as any other client. */
  leave(request: Request): Promise<Response | null>;
  /** Gives the browser another cookie of its session; the one that it has is void. */
  renew(request: Request, session: CookieSession): Promise<void>;
}

export interface AuthRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  readonly site: Site;
  readonly login: Login<TokenPair>;
  readonly sessions: Pick<Sessions, "noteIdentification">;
  readonly confirmPassword: ConfirmPassword;
  /** @default browsers are answered as any other client */
  readonly forms?: BrowserForms | null;
  readonly registration: RegistrationOptions;
  readonly passwordChange: PasswordChangeOptions;
  readonly profile: ProfileOptions;
}

/** Serves registration, login, logout and what people do with their own account, below `/auth`. */
export function authRoutes(options: AuthRoutesOptions) {
  return new Elysia({ name: "xcore/auth", prefix: "/auth", detail: { tags: ["auth"] } })
    .use(registrationRoutes(options))
    .use(entryRoutes(options))
    .use(passkeyEntryRoutes(options))
    .use(ownRoutes(options))
    .use(passwordRoutes(options));
}

/** The way in for who has no account yet. */
function registrationRoutes({ guards, originOf, registration }: AuthRoutesOptions) {
  return new Elysia({ name: "xcore/auth/registration" })
    .use(guards)
    .onBeforeHandle(forbidStoring)
    .post(
      "/register",
      async ({ body, request, status }) => status(201, await register(registration, body, originOf(request))),
      {
        idempotent: { transaction: false },
        body: t.Object({
          email: Email,
          password: GivenPassword,
          full_name: t.Optional(t.Nullable(t.String({ maxLength: 255 }))),
        }),
        response: { 201: RegisteredUser },
        detail: { summary: "Make an account, where anybody may", description: CLOSED },
      },
    );
}

/** Ways in, and out. */
function entryRoutes(options: AuthRoutesOptions) {
  const { guards, originOf, login, forms = null } = options;
  const toForms = (request: Request): BrowserForms | null => (isForm(request) ? forms : null);
  return new Elysia({ name: "xcore/auth/entry" })
    .use(guards)
    .onBeforeHandle(forbidStoring)
    .post(
      "/login",
      ({ body, query, request }) =>
        toForms(request)?.takePassword(request, toCredentials(body), query.next) ??
        logIn(login, body, originOf(request)),
      {
        transform: async ({ body, query, request }) => {
          assertPasswordGrant(body);
          await answerUnfitForm(toForms(request), "password", {
            request,
            body,
            query,
            isComplete: isLogin(body),
          });
        },
        query: Next,
        body: LoginBody,
        response: { 200: t.Union([Tokens, OtpChallenge]), 400: OauthError },
        detail: { summary: "Log in, with JSON or a form; with a second factor on, the first of two steps" },
      },
    )
    .post(
      "/login/otp",
      ({ body, query, request }) =>
        toForms(request)?.takeCode(request, body, query.next) ?? login.withCode(body, originOf(request)),
      {
        transform: ({ body, query, request }) =>
          answerUnfitForm(toForms(request), "code", {
            request,
            body,
            query,
            isComplete: Value.Check(CodeBody, body),
          }),
        query: Next,
        body: CodeBody,
        response: Tokens,
        detail: { summary: "The second step of a login" },
      },
    )
    .post("/logout", ({ request, status }) => logOut(options, request, () => status(204, undefined)), {
      auth: true,
      response: { 204: t.Void() },
      detail: { summary: "End the session that asks", ...BY_SESSION },
    });
}

/** What somebody does with their own account. */
function ownRoutes(options: AuthRoutesOptions) {
  const { guards, principals, originOf, profile } = options;
  const toOwnerOf = (request: Request) => ({
    principal: principals.require(request),
    origin: originOf(request),
  });
  return new Elysia({ name: "xcore/auth/own" })
    .use(guards)
    .onBeforeHandle(forbidStoring)
    .get("/me", ({ request }) => readProfile(profile, principals.require(request)), {
      auth: true,
      response: Profile,
      detail: { summary: "Who asks, and what they may do" },
    })
    .patch("/me", ({ body, request }) => changeProfile(profile, toOwnerOf(request), body), {
      auth: true,
      body: ProfileChange,
      response: Profile,
      detail: { summary: "Change the name, and the language and theme of pages" },
    });
}

/** The password of who has logged in. */
function passwordRoutes(options: AuthRoutesOptions) {
  return new Elysia({ name: "xcore/auth/password", prefix: "/password" })
    .use(options.guards)
    .onBeforeHandle(forbidStoring)
    .put(
      "",
      async ({ body, request, status }) => {
        await changePassword(options.passwordChange, toOwner(options, request), body);
        await renew(options, request);
        return status(204, undefined);
      },
      {
        auth: true,
        body: t.Object({
          current_password: t.Optional(
            t.String({ ...GivenPassword, description: "Left out by an account that has none" }),
          ),
          new_password: GivenPassword,
        }),
        response: { 204: t.Void() },
        detail: { summary: "Change the password, or set one, and end all other sessions", ...BY_SESSION },
      },
    )
    .delete(
      "",
      async ({ body, request, status }) => {
        await removePassword(options.passwordChange, toOwner(options, request), body?.current_password);
        return status(204, undefined);
      },
      {
        auth: true,
        body: t.Optional(
          t.Object({
            current_password: t.Optional(t.String({ ...GivenPassword, description: FRESH_PASSWORD })),
          }),
        ),
        response: { 204: t.Void() },
        detail: {
          summary: "Give the password up, where a passkey lets you in, and end all other sessions",
          ...BY_SESSION,
        },
      },
    )
    .post("/verify", ({ body, request }) => verify(options, request, body.current_password), {
      auth: true,
      body: t.Object({ current_password: GivenPassword }),
      response: {
        200: t.Object({
          fresh_until: t.String({
            format: "date-time",
            description: "Until then what asks for the password again takes it for given",
          }),
        }),
      },
      detail: {
        summary: "Give the password again, for what asks for it, such as adding a plugin",
        ...BY_SESSION,
      },
    });
}

function isLogin(body: unknown): boolean {
  return Value.Check(LoginBody, body) && (body.email ?? body.username) !== undefined;
}

/** Answers a browser's form that lacks something with its page; other clients are told by the schema. */
async function answerUnfitForm(
  forms: BrowserForms | null,
  form: "password" | "code",
  sent: { request: Request; body: unknown; query: { next?: unknown }; isComplete: boolean },
): Promise<void> {
  if (forms === null || sent.isComplete) return;
  // oxlint-disable-next-line typescript/only-throw-error -- the schema would come next, and answer in JSON
  throw await forms.refuse(sent.request, form, sent.body, sent.query.next);
}

function forbidStoring({ set }: Pick<Context, "set">): void {
  // RFC 6749, section 5.1: what holds tokens is kept by nobody on the way.
  set.headers["cache-control"] = "no-store";
}

function logIn(login: Login<TokenPair>, body: typeof LoginBody.static, origin: Origin) {
  const enter = () => login.withPassword(toCredentials(body), origin);
  return body.grant_type === undefined ? enter() : grantByPassword(enter);
}

async function logOut<Done>(options: AuthRoutesOptions, request: Request, toDone: () => Done) {
  const { principals, originOf } = options;
  await options.login.logout(toPresentOwner(principals.require(request), originOf(request)));
  return (await options.forms?.leave(request)) ?? toDone();
}

/** Notes that somebody who is logged in has given the password again; a cookie is replaced by another. */
async function renew(options: AuthRoutesOptions, request: Request): Promise<void> {
  const session = await options.sessions.noteIdentification(toOwner(options, request));
  if (session !== null) await options.forms?.renew(request, session);
}

async function verify(options: AuthRoutesOptions, request: Request, password: string) {
  await options.confirmPassword(toOwner(options, request), { password, action: "session.identified" });
  await renew(options, request);
  return { fresh_until: new Date(Date.now() + FRESH_MS).toISOString() };
}

function toOwner({ principals, originOf }: AuthRoutesOptions, request: Request): SessionOwner {
  return toSessionOwner(principals.require(request), originOf(request));
}

function toCredentials({ email, username, password }: typeof LoginBody.static): Credentials {
  const name = email ?? username;
  if (name !== undefined) return { email: name, password };
  const errors = [{ path: "/body/email", code: "required", message: "Required, but missing" }];
  throw invalidRequest(errors);
}
