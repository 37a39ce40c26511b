import type { AppError } from "../../errors/errors.ts";
import { LOGIN_PATH, RESEND_PATH, toRelative } from "../browser/navigation.ts";
import { type LinkPageContext, toLinkPage } from "../links/pages.ts";

/** What a page is about, as templates/pages/email.html knows it. */
export type EmailStep =
  | "verify"
  | "verified"
  | "resend"
  | "sent"
  | "confirm"
  | "confirmed"
  | "undo"
  | "undone"
  | "refused"
  | "gone";

export interface EmailPage {
  readonly step: EmailStep;
  /** Path that its form is sent to. @default it has none */
  readonly action?: string;
  readonly values?: Readonly<Record<string, string>>;
  readonly problem?: AppError;
}

/** Answers with a page about somebody's email. */
export function toEmailPage(
  context: LinkPageContext,
  { step, action, values = {}, problem }: EmailPage,
): Promise<Response> {
  const to = (path: string): string => toRelative(context.request, path);
  const data = {
    email: "",
    from: "",
    token: "",
    arrival: "mailbox",
    is_unlocked: "",
    ...values,
    step,
    action: action === undefined ? null : to(action),
    login: to(LOGIN_PATH),
    resend: to(RESEND_PATH),
    problem: step === "gone" ? null : (problem?.message ?? null),
  };
  return toLinkPage(context, "email", { status: problem?.status ?? 200, data });
}
