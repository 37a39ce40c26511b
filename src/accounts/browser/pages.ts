import loginCodePage from "../../../templates/pages/login-code.html" with { type: "text" };
import loginPage from "../../../templates/pages/login.html" with { type: "text" };
import logoutPage from "../../../templates/pages/logout.html" with { type: "text" };
import verifyCodePage from "../../../templates/pages/verify-code.html" with { type: "text" };
import verifyPasswordPage from "../../../templates/pages/verify-password.html" with { type: "text" };
import type { AppError } from "../../errors/errors.ts";
import { toAccountPage } from "../../web/pages.ts";
import { LOGIN_PATH, LOGOUT_PATH, toRelative, VERIFY_PATH, withNext } from "./navigation.ts";

// Bun's types take every .html import for a bundle; with type "text" it is a string.
const [LOGIN, LOGIN_CODE, LOGOUT, VERIFY_CODE, VERIFY_PASSWORD] = [
  loginPage,
  loginCodePage,
  logoutPage,
  verifyCodePage,
  verifyPasswordPage,
] as unknown as [string, string, string, string, string];

/** Which request a page answers, where it leads on to, and what was wrong with the form that was sent. */
export interface PageContext {
  readonly appName: string;
  readonly request: Request;
  /** A path of this server. */
  readonly next: string;
  readonly problem?: AppError | null;
}

/** Answers with the form that asks for email and password. */
export function toLoginPage(context: PageContext, email = ""): Response {
  const action = toRelative(context.request, withNext(LOGIN_PATH, context.next));
  return toPage(context, { title: `Sign in to ${context.appName}`, body: LOGIN, values: { action, email } });
}

/** Answers with the form that asks for the second factor. */
export function toLoginCodePage(context: PageContext, otpToken: string): Response {
  const { request, next, appName } = context;
  const action = toRelative(request, withNext(`${LOGIN_PATH}/otp`, next));
  const back = toRelative(request, withNext(LOGIN_PATH, next));
  const values = { action, back, otp_token: otpToken };
  return toPage(context, { title: `Sign in to ${appName}`, body: LOGIN_CODE, values });
}

/** Answers with the form that ends the session. */
export function toLogoutPage(context: PageContext, email: string, csrfToken: string): Response {
  const { request, next } = context;
  const values = {
    action: toRelative(request, LOGOUT_PATH),
    back: toRelative(request, next),
    email,
    csrf_token: csrfToken,
  };
  return toPage(context, { title: "Sign out", body: LOGOUT, values });
}

/** Answers with the form that asks somebody who is signed in for the password again, or for a code. */
export function toVerifyPage(
  context: PageContext,
  { email, csrfToken, asksCode }: { email: string; csrfToken: string; asksCode: boolean },
): Response {
  const { request, next } = context;
  const values = {
    action: toRelative(request, withNext(VERIFY_PATH, next)),
    back: toRelative(request, "/"),
    email,
    csrf_token: csrfToken,
  };
  return toPage(context, { title: "Is it you?", body: asksCode ? VERIFY_CODE : VERIFY_PASSWORD, values });
}

function toPage(
  { appName, problem = null }: PageContext,
  { title, body, values }: { title: string; body: string; values: Record<string, string> },
): Response {
  return toAccountPage({
    app_name: appName,
    title,
    body,
    values: { ...values, problem: problem?.message ?? "" },
    status: problem?.status ?? 200,
    headers: problem?.headers ?? {},
  });
}
