import { Elysia, t } from "elysia";
import { invalidRequest } from "../../errors/codes.ts";
import type { Guards } from "../identity/guards.ts";
import type { Credentials, Login } from "./login.ts";
import { changePassword, type PasswordChangeOptions } from "./password-change.ts";
import { assertPasswordGrant, grantByPassword, OauthError } from "./password-grant.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import { register, type RegistrationOptions } from "./registration.ts";
import { type ProfileOptions, readProfile } from "./profile.ts";
import { BY_SESSION, toSessionOwner } from "../identity/session-owner.ts";

const Tokens = t.Object({
  access_token: t.String({ description: "For the header authorization: Bearer …" }),
  refresh_token: t.String({ description: "Exchanged once at /auth/refresh" }),
  token_type: t.Literal("bearer"),
  expires_in: t.Integer({ description: "Of the access token, in seconds" }),
});

const OtpChallenge = t.Object({
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
  has_otp: t.Boolean({ description: "Whether a second factor is on" }),
  otp_required: t.Boolean({ description: "Whether a role asks for a second factor before anything else" }),
  last_login_at: t.Nullable(t.String({ format: "date-time" })),
  created_at: t.String({ format: "date-time" }),
});

export interface AuthRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  readonly login: Login;
  readonly registration: RegistrationOptions;
  readonly passwordChange: PasswordChangeOptions;
  readonly profile: ProfileOptions;
}

/** Serves registration, login, logout and what people do with their own account, below `/auth`. */
export function authRoutes(options: AuthRoutesOptions) {
  const { guards, principals, originOf, login, registration, passwordChange, profile } = options;
  const ownerOf = (request: Request) => toSessionOwner(principals.require(request), originOf(request));
  return new Elysia({ name: "xcore/auth", prefix: "/auth", detail: { tags: ["auth"] } })
    .use(guards)
    .onBeforeHandle(({ set }) => {
      // RFC 6749, section 5.1: what holds tokens is kept by nobody on the way.
      set.headers["cache-control"] = "no-store";
    })
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
    )
    .post("/login", ({ body, request }) => logIn(login, body, originOf(request)), {
      transform: ({ body }) => assertPasswordGrant(body),
      body: LoginBody,
      response: { 200: t.Union([Tokens, OtpChallenge]), 400: OauthError },
      detail: { summary: "Log in, with JSON or a form; with a second factor on, the first of two steps" },
    })
    .post("/login/otp", ({ body, request }) => login.withCode(body, originOf(request)), {
      body: t.Object({
        otp_token: t.String({ maxLength: 4096 }),
        code: t.String({ minLength: 1, maxLength: 64, description: "Of a device, or a recovery code" }),
      }),
      response: Tokens,
      detail: { summary: "The second step of a login" },
    })
    .post("/logout", async ({ request, status }) => status(204, await login.logout(ownerOf(request))), {
      auth: true,
      response: { 204: t.Void() },
      detail: { summary: "End the session that asks", ...BY_SESSION },
    })
    .get("/me", ({ request }) => readProfile(profile, principals.require(request)), {
      auth: true,
      response: Profile,
      detail: { summary: "Who asks, and what they may do" },
    })
    .put(
      "/password",
      async ({ body, request, status }) =>
        status(204, await changePassword(passwordChange, ownerOf(request), body)),
      {
        auth: true,
        body: t.Object({ current_password: GivenPassword, new_password: GivenPassword }),
        response: { 204: t.Void() },
        detail: { summary: "Change the password, and end all other sessions", ...BY_SESSION },
      },
    );
}

function logIn(login: Login, body: typeof LoginBody.static, origin: Origin) {
  const enter = () => login.withPassword(toCredentials(body), origin);
  return body.grant_type === undefined ? enter() : grantByPassword(enter);
}

function toCredentials({ email, username, password }: typeof LoginBody.static): Credentials {
  const name = email ?? username;
  if (name !== undefined) return { email: name, password };
  const errors = [{ path: "/body/email", code: "required", message: "Required, but missing" }];
  throw invalidRequest(errors);
}
