import type { AppError } from "../../errors/errors.ts";
import { FORGOT_PATH, LOGIN_PATH, toRelative } from "../browser/navigation.ts";
import { type LinkPageContext, toLinkPage } from "../links/pages.ts";
import type { MailArrival } from "../people/send-mail.ts";
import type { Resettable } from "./recovery.ts";

/** Answers with the form that asks for an email, or says what to do where no mail is sent. */
export function toForgotPage(
  context: LinkPageContext,
  arrival: MailArrival,
  { email = "", problem = null }: { readonly email?: string; readonly problem?: AppError | null } = {},
): Promise<Response> {
  return toPage(context, "forgot", { arrival, email, problem });
}

/** Answers that a link is on its way, to whoever has an account; where no mail is sent, what to do. */
export function toForgotSentPage(
  context: LinkPageContext,
  email: string,
  arrival: MailArrival,
): Promise<Response> {
  return toPage(context, arrival === "nowhere" ? "forgot" : "forgot-sent", { arrival, email, status: 202 });
}

/** Answers with the form that asks for the new password. */
export function toResetPage(
  context: LinkPageContext,
  {
    isAdministrator,
    hasApiKeys,
    ...form
  }: Resettable & { readonly token: string; readonly problem: AppError | null },
): Promise<Response> {
  return toPage(context, "reset", { ...form, is_administrator: isAdministrator, has_api_keys: hasApiKeys });
}

/** Answers that the new password is set. */
export function toResetDonePage(context: LinkPageContext): Promise<Response> {
  return toPage(context, "reset-done", {});
}

/** Answers with the form by which an owner says that it wasn't them. */
export function toReportPage(
  context: LinkPageContext,
  form: { readonly token: string; readonly email: string; readonly problem: AppError | null },
): Promise<Response> {
  return toPage(context, "report", form);
}

/**
 * Answers that an account is locked, and how its owner gets it back.
 *
 * @param arrival of the link for that; "inactive" where an administrator has deactivated the account
 */
export function toReportedPage(
  context: LinkPageContext,
  email: string,
  arrival: MailArrival | "inactive",
): Promise<Response> {
  return toPage(context, "reported", { email, arrival });
}

/** Answers that a link is of no use, and what to do. */
export function toGonePage(context: LinkPageContext, problem: AppError): Promise<Response> {
  return toPage(context, "link-gone", { status: problem.status });
}

function toPage(
  context: LinkPageContext,
  name: string,
  {
    problem = null,
    status = problem?.status ?? 200,
    ...data
  }: { readonly problem?: AppError | null; readonly status?: number } & Record<string, unknown>,
): Promise<Response> {
  const to = (path: string): string => toRelative(context.request, path);
  const links = { login: to(LOGIN_PATH), forgot: to(FORGOT_PATH), home: to("/") };
  return toLinkPage(context, name, { status, data: { ...data, links, problem: problem?.message ?? null } });
}
