import type { AppError } from "../../errors/errors.ts";
import { LOGIN_PATH, toRelative, withNext } from "../browser/navigation.ts";
import { type PageContext, toSignInPage } from "../browser/pages.ts";
import type { PendingLink } from "./federation.ts";

/** Where somebody agrees that a provider's account is theirs. */
export const LINK_PATH = "/auth/identities/link";

/** Answers with what went wrong on the way to a provider, and where to begin again. */
export function toProviderProblemPage(context: PageContext, problem: AppError): Promise<Response> {
  const again = toRelative(context.request, withNext(LOGIN_PATH, context.next));
  return toSignInPage({ ...context, problem }, "provider-problem", { again });
}

/** Asks whoever has an account here to sign in to it first: the provider's account isn't linked yet. */
export function toKnownEmailPage(context: PageContext, { title, claimed }: PendingLink): Promise<Response> {
  return toSignInPage(context, "provider-known", {
    title,
    email: claimed.email,
    sign_in: toRelative(context.request, withNext(LOGIN_PATH, LINK_PATH)),
  });
}

/** Asks who is signed in to agree. */
export function toLinkPage(context: PageContext, { title, claimed }: PendingLink): Promise<Response> {
  return toSignInPage(context, "provider-link", {
    title,
    email: claimed.email,
    action: toRelative(context.request, LINK_PATH),
    back: toRelative(context.request, context.next),
  });
}
