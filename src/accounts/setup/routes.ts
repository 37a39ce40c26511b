import { Value } from "@sinclair/typebox/value";
import { Elysia, t } from "elysia";
import { AppError } from "../../errors/errors.ts";
import { isForm } from "../../web/clients/site.ts";
import { isNavigation } from "../browser/navigation.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import { type LinkPageContext, readField } from "../links/pages.ts";
import type { Credentials } from "../login/login.ts";
import type { SetupLink } from "./link.ts";
import { toDeadLinkPage, toSetupDonePage, toSetupPage } from "./pages.ts";

const SetupBody = t.Object({
  token: t.String({ maxLength: 256 }),
  email: t.String({ maxLength: 255 }),
  full_name: t.Optional(t.Nullable(t.String({ maxLength: 255 }))),
  password: t.String({ maxLength: 1024 }),
});

export interface SetupRoutesOptions extends Pick<LinkPageContext, "templates"> {
  readonly setup: SetupLink;
  readonly originOf: (request: Request) => Origin;
  /** Signs somebody in with a browser who has just made their account. @default nobody is */
  readonly signIn?: (request: Request, credentials: Credentials) => Promise<boolean>;
}

/**
 * Serves the page of the setup link. Whoever sends the form must know its token, which no page of another site
 * does: that keeps such pages from sending it in somebody's name.
 */
export function setupRoutes(options: SetupRoutesOptions) {
  const { templates } = options;
  return new Elysia({ name: "xcore/setup", prefix: "/auth/setup", detail: { tags: ["auth"] } })
    .get("/", ({ query, request }) => showForm(options, request, query.token), {
      query: t.Object({ token: t.String({ default: "", maxLength: 256 }) }),
      detail: { summary: "Page that makes the first administrator", hide: true },
    })
    .post("/", ({ body, request }) => makeAdministrator(options, request, body), {
      // The schema would come next, and answer a browser in JSON.
      transform: async ({ body, request }) => {
        if (!isForm(request) || Value.Check(SetupBody, body)) return;
        // oxlint-disable-next-line typescript/only-throw-error -- an answer, not an error
        throw await toIncompletePage({ templates, request }, body);
      },
      body: SetupBody,
      detail: { summary: "Make the first administrator, with the token of the setup link", hide: true },
    });
}

async function showForm(
  { setup, templates }: SetupRoutesOptions,
  request: Request,
  token: string,
): Promise<Response> {
  const context = { templates, request };
  try {
    await setup.assertValid(token);
  } catch (error) {
    if (!isNavigation(request) || !(error instanceof AppError) || error.status >= 500) throw error;
    return toDeadLinkPage(context, error);
  }
  return toSetupPage(context, { token });
}

/** Answers a browser with a page, any other client with JSON. */
async function makeAdministrator(
  { setup, templates, signIn, originOf }: SetupRoutesOptions,
  request: Request,
  body: typeof SetupBody.static,
): Promise<Response> {
  const context = { templates, request };
  const isByForm = isForm(request);
  const { token, ...user } = body;
  try {
    const made = await setup.complete({ token, user, origin: originOf(request) });
    const headers = { "cache-control": "no-store" };
    if (!isByForm) return Response.json(made, { status: 201, headers });
    const isSignedIn = (await signIn?.(request, { email: made.email, password: user.password })) === true;
    return await toSetupDonePage(context, made.email, isSignedIn);
  } catch (error) {
    if (!isByForm || !(error instanceof AppError) || error.status >= 500) throw error;
    if (error.status === 404) return toDeadLinkPage(context, error);
    const { email, full_name } = body;
    return toSetupPage(context, { token, email, full_name: full_name ?? "", problem: error });
  }
}

/** Shows the form again that lacks something, with what of it can have been typed there. */
function toIncompletePage(context: LinkPageContext, body: unknown): Promise<Response> {
  const read = (name: string): string => readField(body, name);
  const message =
    "Give an email and a password, of at most 255 and 1024 characters, and open the link as it was printed";
  const problem = fail("validation_error", message);
  const form = { token: read("token"), email: read("email"), full_name: read("full_name"), problem };
  return toSetupPage(context, form);
}
