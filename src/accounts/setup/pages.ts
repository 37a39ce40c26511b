import type { AppError } from "../../errors/errors.ts";
import type { Page, Templates } from "../../templates/templates.ts";
import { LOGIN_PATH, toRelative } from "../browser/navigation.ts";

/** What the pages of the setup link are made with. */
export interface SetupPageContext {
  readonly templates: Pick<Templates, "render">;
  readonly request: Request;
}

/** What the form is filled with, and what was wrong with it. */
export interface SetupForm {
  readonly token: string;
  readonly email?: string;
  readonly full_name?: string;
  readonly problem?: AppError;
}

/** Answers with the form that makes the first administrator. */
export function toSetupPage(context: SetupPageContext, form: SetupForm): Promise<Response> {
  const { token, email = "", full_name = "", problem } = form;
  const data = { token, email, full_name, problem: problem?.message ?? null };
  return toPage(context, "setup", { status: problem?.status ?? 200, data });
}

/** Answers that the first administrator is made. */
export function toSetupDonePage(
  context: SetupPageContext,
  email: string,
  isSignedIn: boolean,
): Promise<Response> {
  return toPage(context, "setup-done", { status: 201, data: { email, signed_in: isSignedIn } });
}

/** Answers that a link is of no use, and what is. */
export function toDeadLinkPage(context: SetupPageContext, { status }: AppError): Promise<Response> {
  return toPage(context, "setup-gone", { status, data: {} });
}

async function toPage(
  { templates, request }: SetupPageContext,
  name: string,
  { status, data }: { readonly status: number; readonly data: Readonly<Record<string, unknown>> },
): Promise<Response> {
  const to = (path: string): string => toRelative(request, path);
  const links = { home: to("/"), login: to(LOGIN_PATH), administration: to("/ui"), api: to("/docs") };
  const page: Page = await templates.render(
    `pages/${name}.html`,
    { ...data, links },
    {
      status,
      headers: {
        "cache-control": "no-store",
        // The token that lets somebody make an administrator is in the address.
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
      },
    },
  );
  return page.toResponse(request);
}
