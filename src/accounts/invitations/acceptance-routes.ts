import { Value } from "@sinclair/typebox/value";
import { Elysia, t } from "elysia";
import { AppError } from "../../errors/errors.ts";
import { isForm, type Site } from "../../web/clients/site.ts";
import { isNavigation, LOGIN_PATH, redirectTo, toRelative } from "../browser/navigation.ts";
import { fail } from "../identity/error-codes.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import { type LinkPageContext, readField, toLinkPage } from "../links/pages.ts";
import type { Credentials } from "../login/login.ts";
import type { AcceptanceServices } from "./acceptance.ts";

export interface AcceptanceRoutesOptions extends AcceptanceServices {
  readonly guards: Guards;
  readonly templates: LinkPageContext["templates"];
  readonly site: Site;
  readonly originOf: (request: Request) => Origin;
  /** Signs somebody in with a browser who has just made their account. */
  readonly signIn: (request: Request, credentials: Credentials) => Promise<boolean>;
  /** Providers that people sign in by. */
  readonly listProviders: () => readonly { readonly id: string; readonly title: string }[];
  /** Is told of what a page refuses: the log has a line for each. */
  readonly noteRefusal: (error: AppError, request: Request) => void;
}

const AcceptBody = t.Object({
  token: t.String({ maxLength: 256, description: "Of the link" }),
  password: t.String({ minLength: 1, maxLength: 1024 }),
  full_name: t.Optional(t.Nullable(t.String({ maxLength: 255 }))),
});

const MadeUser = t.Object({
  id: t.Integer(),
  email: t.String(),
  full_name: t.Nullable(t.String()),
  is_active: t.Boolean(),
  created_at: t.String({ format: "date-time" }),
});

/**
 * Serves the page that an invitation leads to. To open it changes nothing; whoever sends its form knows the token, which no
 * page of another site does.
 */
export function acceptanceRoutes(options: AcceptanceRoutesOptions) {
  return new Elysia({ name: "xcore/invitation", prefix: "/auth/invitation", detail: { tags: ["auth"] } })
    .use(options.guards)
    .get("", ({ query, request }) => showForm(options, request, { token: query.token }), {
      query: t.Object({ token: t.String({ default: "", maxLength: 256 }) }),
      detail: { summary: "Page of an invitation", hide: true },
    })
    .post("", ({ body, request }) => accept(options, request, body), {
      // The schema would come next, and answer a browser in JSON.
      transform: async ({ body, request }) => {
        if (!isForm(request) || Value.Check(AcceptBody, body)) return;
        const message = "Give a password, of at most 1024 characters, and open the link as it was sent";
        const problem = fail("validation_error", message);
        const form = { token: readField(body, "token"), full_name: readField(body, "full_name"), problem };
        // oxlint-disable-next-line typescript/only-throw-error -- an answer, not an error
        throw await showForm(options, request, form);
      },
      idempotent: { transaction: false },
      body: AcceptBody,
      response: { 201: MadeUser },
      detail: { summary: "Make the account that somebody was invited to, with the token of the link" },
    });
}

interface Filled {
  readonly token: string;
  readonly full_name?: string;
  readonly problem?: AppError;
}

async function showForm(
  options: AcceptanceRoutesOptions,
  request: Request,
  { token, full_name = "", problem }: Filled,
): Promise<Response> {
  try {
    const { readInvited } = await load();
    const { email, isAdministrator } = await readInvited(options, token);
    const providers = options.listProviders().map(({ id, title }) => ({
      title,
      path: toRelative(request, `/auth/providers/${id}/start?invitation=${encodeURIComponent(token)}`),
    }));
    const data = { token, email, full_name, is_administrator: isAdministrator, providers };
    return await toPage(options, request, { step: "accept", data, ...(problem && { problem }) });
  } catch (error) {
    return answerProblem(options, request, error);
  }
}

/** Answers a browser with a page, any other client with JSON. */
async function accept(
  options: AcceptanceRoutesOptions,
  request: Request,
  body: typeof AcceptBody.static,
): Promise<Response> {
  const { originOf, signIn, site } = options;
  try {
    const made = await (await load()).acceptInvitation(options, body, originOf(request));
    const headers = { "cache-control": "no-store" };
    if (!isForm(request)) return Response.json(made, { status: 201, headers });
    // Another site could have had the form sent with an invitation of its own, to read what is done with the account.
    const credentials = { email: made.email, password: body.password };
    const isSignedIn = site.isOwnRequest(request) && (await signIn(request, credentials));
    if (isSignedIn) return redirectTo(request, "/");
    return await toPage(options, request, { step: "accepted", data: { email: made.email } });
  } catch (error) {
    const isAsked = isForm(request) && error instanceof AppError && error.status < 500;
    if (!isAsked || error.code === "link_invalid") return answerProblem(options, request, error);
    options.noteRefusal(error, request);
    return showForm(options, request, { token: body.token, full_name: body.full_name ?? "", problem: error });
  }
}

/** Answers a browser that a link is of no use. @throws all else */
function answerProblem(
  options: AcceptanceRoutesOptions,
  request: Request,
  error: unknown,
): Promise<Response> {
  if (!isNavigation(request) || !(error instanceof AppError) || error.status >= 500) throw error;
  options.noteRefusal(error, request);
  return toPage(options, request, { step: "gone", data: {}, problem: error });
}

function toPage(
  { templates }: AcceptanceRoutesOptions,
  request: Request,
  {
    step,
    data,
    problem,
  }: {
    readonly step: "accept" | "accepted" | "gone";
    readonly data: Readonly<Record<string, unknown>>;
    readonly problem?: AppError;
  },
): Promise<Response> {
  const status = problem?.status ?? (step === "accepted" ? 201 : 200);
  const links = { login: toRelative(request, LOGIN_PATH) };
  const said = step === "gone" ? null : (problem?.message ?? null);
  const context = { templates, request };
  return toLinkPage(context, "invitation", { status, data: { ...data, step, links, problem: said } });
}

function load() {
  return import("./acceptance.ts");
}
