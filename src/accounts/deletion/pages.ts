import type { AppError } from "../../errors/errors.ts";
import { LOGIN_PATH, toRelative } from "../browser/navigation.ts";
import { type LinkPageContext, toLinkPage } from "../links/pages.ts";

/** Answers with the form that keeps an account which is to be deleted. */
export function toKeepPage(
  context: LinkPageContext,
  form: {
    readonly token: string;
    readonly email: string | null;
    readonly deletionAt: Date;
    readonly status?: number;
  },
): Promise<Response> {
  const { token, email, deletionAt, status = 200 } = form;
  const action = toRelative(context.request, "/auth/deletion/keep");
  return toPage(context, "keep", { status, data: { action, token, email, deletion_at: deletionAt } });
}

/** Answers that an account stays. */
export function toKeptPage(context: LinkPageContext): Promise<Response> {
  return toPage(context, "kept", { status: 200, data: {} });
}

/** Answers that a link keeps nothing. */
export function toNotKeptPage(context: LinkPageContext, { status }: AppError): Promise<Response> {
  return toPage(context, "keep-gone", { status, data: {} });
}

function toPage(
  context: LinkPageContext,
  name: string,
  { status, data }: { readonly status: number; readonly data: Readonly<Record<string, unknown>> },
): Promise<Response> {
  const login = toRelative(context.request, LOGIN_PATH);
  return toLinkPage(context, name, { status, data: { ...data, login, problem: null } });
}
