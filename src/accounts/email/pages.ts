import type { AppError } from "../../errors/errors.ts";
import type { Templates } from "../../templates/templates.ts";
import { LOGIN_PATH, RESEND_PATH, toRelative } from "../browser/navigation.ts";

/** What a page is about, as templates/pages/email.html knows it. */
export type EmailStep = "verify" | "verified" | "resend" | "sent" | "gone";

export interface EmailPageContext {
  readonly templates: Pick<Templates, "render">;
  readonly request: Request;
}

export interface EmailPage {
  readonly step: EmailStep;
  /** Path that its form is sent to. @default it has none */
  readonly action?: string;
  readonly values?: Readonly<Record<string, string>>;
  readonly problem?: AppError;
}

/** Answers with a page about somebody's email. */
export async function toEmailPage(
  { templates, request }: EmailPageContext,
  { step, action, values = {}, problem }: EmailPage,
): Promise<Response> {
  const to = (path: string): string => toRelative(request, path);
  const data = {
    email: "",
    token: "",
    ...values,
    step,
    action: action === undefined ? null : to(action),
    login: to(LOGIN_PATH),
    resend: to(RESEND_PATH),
    problem: step === "gone" ? null : (problem?.message ?? null),
  };
  const page = await templates.render("pages/email.html", data, {
    status: problem?.status ?? 200,
    headers: {
      ...problem?.headers,
      "cache-control": "no-store",
      // The token is in the address.
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
    },
  });
  return page.toResponse(request);
}
