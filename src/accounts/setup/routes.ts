import { Elysia, t } from "elysia";
import { AppError } from "../../errors/errors.ts";
import type { Origin } from "../identity/principal.ts";
import type { Credentials } from "../login/login.ts";
import type { SetupLink } from "./link.ts";
import { toSetupDonePage, toSetupPage } from "./pages.ts";

const SetupBody = t.Object({
  token: t.String({ maxLength: 256 }),
  email: t.String({ maxLength: 255 }),
  full_name: t.Optional(t.Nullable(t.String({ maxLength: 255 }))),
  password: t.String({ maxLength: 1024 }),
});

export interface SetupRoutesOptions {
  readonly setup: SetupLink;
  readonly appName: string;
  readonly originOf: (request: Request) => Origin;
  /** Signs somebody in with a browser who has just made their account. @default nobody is */
  readonly signIn?: (request: Request, credentials: Credentials) => Promise<boolean>;
}

/**
 * Serves the page of the setup link. Whoever sends the form must know its token, which no page of another site
 * does: that keeps such pages from sending it in somebody's name.
 */
export function setupRoutes({ setup, appName, originOf, signIn }: SetupRoutesOptions) {
  return new Elysia({ name: "xcore/setup", prefix: "/auth/setup", detail: { tags: ["auth"] } })
    .get("/", ({ query }) => showForm(setup, appName, query.token), {
      query: t.Object({ token: t.String({ default: "", maxLength: 256 }) }),
      detail: { summary: "Page that makes the first administrator", hide: true },
    })
    .post(
      "/",
      ({ body, request }) =>
        makeAdministrator({ setup, appName, signIn, body, request, origin: originOf(request) }),
      {
        body: SetupBody,
        detail: { summary: "Make the first administrator, with the token of the setup link", hide: true },
      },
    );
}

async function showForm(setup: SetupLink, appName: string, token: string): Promise<Response> {
  await setup.assertValid(token);
  return toSetupPage(appName, { token });
}

interface SetupSubmission extends Pick<SetupRoutesOptions, "setup" | "appName"> {
  readonly signIn: SetupRoutesOptions["signIn"];
  readonly body: typeof SetupBody.static;
  readonly request: Request;
  readonly origin: Origin;
}

/** Answers a browser with a page, any other client with JSON. */
async function makeAdministrator({
  setup,
  appName,
  signIn,
  body,
  request,
  origin,
}: SetupSubmission): Promise<Response> {
  const isForm =
    request.headers.get("content-type")?.startsWith("application/x-www-form-urlencoded") === true;
  const { token, ...user } = body;
  try {
    const made = await setup.complete({ token, user, origin });
    const headers = { "cache-control": "no-store" };
    if (!isForm) return Response.json(made, { status: 201, headers });
    const isSignedIn = (await signIn?.(request, { email: made.email, password: user.password })) === true;
    return toSetupDonePage(appName, made.email, isSignedIn);
  } catch (error) {
    if (!isForm || !(error instanceof AppError) || error.status === 404) throw error;
    const { email, full_name } = body;
    const form = { token, email, full_name: full_name ?? "", problem: error.message };
    return toSetupPage(appName, form, error.status);
  }
}
