import { AppError } from "../../errors/errors.ts";
import type { Page, Templates } from "../../templates/templates.ts";

/** What the pages of links are made with. */
export interface LinkPageContext {
  readonly templates: Pick<Templates, "render">;
  readonly request: Request;
}

/**
 * Returns an error that is answered with a page, where the form can be sent again.
 *
 * @throws all others
 */
export function toProblem(error: unknown): AppError {
  if (error instanceof AppError && error.status < 500) return error;
  throw error;
}

/** Returns a field of a form as it was sent, shortened; "" for what can't have been typed there. */
export function readField(body: unknown, name: string): string {
  const value =
    typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
  return typeof value === "string" ? value.slice(0, 256) : "";
}

/** Answers with a page whose address holds the token of a link: nobody keeps it, and nobody is told where a browser comes from. */
export async function toLinkPage(
  { templates, request }: LinkPageContext,
  name: string,
  { status = 200, data }: { readonly status?: number; readonly data: Readonly<Record<string, unknown>> },
): Promise<Response> {
  const headers = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
  };
  const page: Page = await templates.render(`pages/${name}.html`, data, { status, headers });
  return page.toResponse(request);
}
