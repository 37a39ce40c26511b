import type { AppError } from "../../errors/errors.ts";
import type { Templates } from "../../templates/templates.ts";
import type { Site } from "../../web/clients/site.ts";
import { hasRelyingParty } from "../passkeys/relying-party.ts";
import {
  LOGIN_PATH,
  LOGOUT_PATH,
  RESEND_PATH,
  FORGOT_PATH,
  toRelative,
  VERIFY_PATH,
  withNext,
} from "./navigation.ts";

/** Which request a page answers, where it leads on to, and what was wrong with the form that was sent. */
export interface PageContext {
  readonly templates: Pick<Templates, "render">;
  readonly site: Site;
  readonly request: Request;
  /** A path of this server. */
  readonly next: string;
  readonly problem?: AppError | null;
  /** Providers that people sign in by. @default none */
  readonly providers?: readonly ShownProvider[];
}

/** A provider, as a button shows it. */
export interface ShownProvider {
  readonly id: string;
  readonly title: string;
}

/** Answers with the form that asks for email and password; before there is an administrator, it tells how to be it. */
export function toLoginPage(
  context: PageContext,
  { email = "", needsSetup = false }: { readonly email?: string; readonly needsSetup?: boolean } = {},
): Promise<Response> {
  const action = toRelative(context.request, withNext(LOGIN_PATH, context.next));
  const forgot = toRelative(context.request, FORGOT_PATH);
  const isUnverified = context.problem?.code === "email_unverified";
  const resend = isUnverified ? toRelative(context.request, RESEND_PATH) : null;
  const passkey = toPasskey(context);
  const providers = toButtons(context, "start");
  return toSignInPage(context, "login", {
    action,
    email,
    needs_setup: needsSetup,
    passkey,
    resend,
    forgot,
    providers,
  });
}

/** Answers with the form that asks for the second factor. */
export function toLoginCodePage(context: PageContext, otpToken: string): Promise<Response> {
  const { request, next } = context;
  return toSignInPage(context, "login-code", {
    action: toRelative(request, withNext(`${LOGIN_PATH}/otp`, next)),
    back: toRelative(request, withNext(LOGIN_PATH, next)),
    otp_token: otpToken,
    passkey: toPasskey(context),
  });
}

/** Answers who has logged in to an account that is to be deleted with the form that keeps it. */
export function toKeepPage(context: PageContext, { members = {} }: AppError): Promise<Response> {
  const { request } = context;
  return toSignInPage(context, "keep", {
    action: toRelative(request, "/auth/deletion/keep"),
    login: toRelative(request, LOGIN_PATH),
    token: members["keep_token"],
    email: null,
    deletion_at: members["deletion_at"],
  });
}

/** Answers with the form that ends the session. */
export function toLogoutPage(context: PageContext): Promise<Response> {
  const { request, next } = context;
  return toSignInPage(context, "logout", {
    action: toRelative(request, LOGOUT_PATH),
    back: toRelative(request, next),
  });
}

/** By what somebody shows again who they are that has no second factor. */
export interface Proofs {
  readonly hasPassword: boolean;
  /** Providers that their account is linked to. */
  readonly providers: readonly ShownProvider[];
}

/** Answers with the form that asks somebody who is signed in for the password again, or for a code; or with where to go for that. */
export function toVerifyPage(context: PageContext, asked: "code" | Proofs): Promise<Response> {
  const { request, next } = context;
  const asksCode = asked === "code";
  const providers = asksCode ? [] : asked.providers;
  return toSignInPage(context, "verify", {
    action: toRelative(request, withNext(VERIFY_PATH, next)),
    back: toRelative(request, "/"),
    asks_code: asksCode,
    // Who has neither is told so by the form.
    asks_password: !asksCode && (asked.hasPassword || providers.length === 0),
    providers: toButtons({ ...context, providers }, "verify"),
    passkey: hasRelyingParty(context.site, request)
      ? { options: toRelative(request, "/auth/passkeys/verify/options") }
      : null,
  });
}

/** Where a passkey is asked for, and sent to; null where no browser could have one of this server. */
function toPasskey({ site, request, next }: PageContext) {
  if (!hasRelyingParty(site, request)) return null;
  const path = `${LOGIN_PATH}/passkey`;
  return {
    action: toRelative(request, withNext(path, next)),
    options: toRelative(request, `${path}/options`),
  };
}

function toButtons({ request, next, providers = [] }: PageContext, verb: "start" | "verify") {
  return providers.map(({ id, title }) => ({
    title,
    path: toRelative(request, withNext(`/auth/providers/${id}/${verb}`, next)),
  }));
}

/** Answers with a page of `templates/pages`, which extends that of all to sign in and out. */
export async function toSignInPage(
  { templates, request, problem = null }: PageContext,
  name: string,
  values: Record<string, unknown>,
): Promise<Response> {
  const data = { ...values, problem: problem?.message ?? null };
  const page = await templates.render(`pages/${name}.html`, data, {
    status: problem?.status ?? 200,
    headers: {
      ...problem?.headers,
      "cache-control": "no-store",
      // Without a referrer, browsers don't say where a form comes from.
      "referrer-policy": "same-origin",
    },
  });
  return page.toResponse(request);
}
