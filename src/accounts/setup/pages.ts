import type { AppError } from "../../errors/errors.ts";
import { LOGIN_PATH, toRelative } from "../browser/navigation.ts";
import { type LinkPageContext, toLinkPage } from "../links/pages.ts";

/** What the form is filled with, and what was wrong with it. */
export interface SetupForm {
  readonly token: string;
  readonly email?: string;
  readonly full_name?: string;
  readonly problem?: AppError;
}

/** Answers with the form that makes the first administrator. */
export function toSetupPage(context: LinkPageContext, form: SetupForm): Promise<Response> {
  const { token, email = "", full_name = "", problem } = form;
  const data = { token, email, full_name, problem: problem?.message ?? null };
  return toPage(context, "setup", { status: problem?.status ?? 200, data });
}

/** Answers that the first administrator is made. */
export function toSetupDonePage(
  context: LinkPageContext,
  email: string,
  isSignedIn: boolean,
): Promise<Response> {
  return toPage(context, "setup-done", { status: 201, data: { email, signed_in: isSignedIn } });
}

/** Answers that a link is of no use, and what is. */
export function toDeadLinkPage(context: LinkPageContext, { status }: AppError): Promise<Response> {
  return toPage(context, "setup-gone", { status, data: {} });
}

function toPage(
  context: LinkPageContext,
  name: string,
  { status, data }: { readonly status: number; readonly data: Readonly<Record<string, unknown>> },
): Promise<Response> {
  const to = (path: string): string => toRelative(context.request, path);
  const links = { home: to("/"), login: to(LOGIN_PATH), administration: to("/ui"), api: to("/docs") };
  return toLinkPage(context, name, { status, data: { ...data, links } });
}
