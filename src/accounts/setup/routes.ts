import { Value } from "@sinclair/typebox/value";
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
        // The schema would come next, and answer a browser in JSON.
        transform: ({ body, request }) => {
          if (!isForm(request) || Value.Check(SetupBody, body)) return;
          // oxlint-disable-next-line typescript/only-throw-error -- an answer, not an error
          throw toIncompletePage(appName, body);
        },
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
  const isByForm = isForm(request);
  const { token, ...user } = body;
  try {
    const made = await setup.complete({ token, user, origin });
    const headers = { "cache-control": "no-store" };
    if (!isByForm) return Response.json(made, { status: 201, headers });
    const isSignedIn = (await signIn?.(request, { email: made.email, password: user.password })) === true;
    return toSetupDonePage(appName, made.email, isSignedIn);
  } catch (error) {
    if (!isByForm || !(error instanceof AppError) || error.status === 404) throw error;
    const { email, full_name } = body;
    const form = { token, email, full_name: full_name ?? "", problem: error.message };
    return toSetupPage(appName, form, error.status);
  }
}

function isForm({ headers }: Request): boolean {
  return headers.get("content-type")?.startsWith("application/x-www-form-urlencoded") === true;
}

/** Shows the form again that lacks something, with what of it can have been typed there. */
function toIncompletePage(appName: string, body: unknown): Response {
  const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const read = (name: string): string => {
    const value = fields[name];
    return typeof value === "string" ? value.slice(0, 256) : "";
  };
  const problem =
    "Give an email and a password, of at most 255 and 1024 characters, and open the link as it was printed";
  const form = { token: read("token"), email: read("email"), full_name: read("full_name"), problem };
  return toSetupPage(appName, form, 422);
}
