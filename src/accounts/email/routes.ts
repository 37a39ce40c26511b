import { Elysia, t } from "elysia";
import { AppError } from "../../errors/errors.ts";
import { toAddressKey } from "../../web/clients/site.ts";
import { isNavigation, RESEND_PATH } from "../browser/navigation.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Attempts } from "../identity/session-owner.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import type { Afterwork } from "../links/afterwork.ts";
import { normalizeEmail } from "../people/emails.ts";
import { type EmailPage, type EmailPageContext, toEmailPage } from "./pages.ts";
import type { EmailServices } from "./verification.ts";

export interface EmailRoutesOptions extends EmailServices {
  readonly templates: EmailPageContext["templates"];
  readonly guards: Guards;
  readonly originOf: (request: Request) => Origin;
  /** Counts mails that are asked for, by who asks and by whom they are for. */
  readonly limits: { readonly mailsByClient: Attempts; readonly mailsByAddress: Attempts };
  readonly afterwork: Afterwork;
  /** Is told of what a page refuses: the log has a line for each. */
  readonly noteRefusal: (error: AppError, request: Request) => void;
}

const VERIFY_PATH = "/auth/email/verify";
const Token = t.String({ maxLength: 256, default: "", description: "Of the link that was mailed" });
const Proven = t.Object({ email: t.String() });

/**
 * Serves what links of mails do to somebody's email, below `/auth/email`. To open a link changes nothing, so that scanners of
 * mail may; its page has a button. Whoever sends the form knows the token, which no page of another site does.
 */
export function emailRoutes(options: EmailRoutesOptions) {
  return new Elysia({ name: "xcore/auth/email", prefix: "/auth/email", detail: { tags: ["auth"] } })
    .use(options.guards)
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "no-store";
    })
    .use(verificationRoutes(options));
}

function verificationRoutes(options: EmailRoutesOptions) {
  const { originOf } = options;
  return new Elysia({ name: "xcore/auth/email/verification" })
    .get(
      "/verify",
      ({ query: { token }, request }) =>
        show(options, request, async () => {
          const { readVerification } = await load();
          const { email } = await readVerification(options, token);
          return { step: "verify", action: VERIFY_PATH, values: { token, email } };
        }),
      {
        query: t.Object({ token: Token }),
        detail: { summary: "Page that asks whether an email is to be verified", hide: true },
      },
    )
    .post(
      "/verify",
      ({ body: { token }, request }) =>
        answer(options, request, {
          work: async () => (await load()).verifyEmail(options, token, originOf(request)),
          toPage: ({ email }) => ({ step: "verified", values: { email } }),
        }),
      {
        body: t.Object({ token: Token }),
        response: { 200: Proven },
        detail: { summary: "Show that mail to the email of an account arrives, with the token of its link" },
      },
    )
    .post("/verification", ({ body: { email }, request }) => askAgain(options, request, email), {
      body: t.Object({ email: t.String({ maxLength: 320, default: "" }) }),
      response: { 202: t.Void() },
      detail: {
        summary: "Have the link sent again that verifies an email",
        description:
          "The answer is the same whether there is an account, and whether it has a link to follow.",
      },
    });
}

function load() {
  return import("./verification.ts");
}

function askAgain(options: EmailRoutesOptions, request: Request, text: string): Promise<Response> {
  const { limits, afterwork, originOf } = options;
  return answer(options, request, {
    status: 202,
    async work() {
      const email = normalizeEmail(text);
      const origin = originOf(request);
      await limits.mailsByClient.take(toAddressKey(origin.ipAddress));
      await limits.mailsByAddress.take(hashToken(email));
      afterwork.add("the link that verifies an email", async () =>
        (await load()).resendVerification(options, email, origin),
      );
    },
    toPage: () => ({ step: "sent", values: { email: text } }),
    toProblemPage: (problem) => ({ step: "resend", action: RESEND_PATH, values: { email: text }, problem }),
  });
}

/** Answers a browser with a page, also where the link is of no use; any other client with an error then. */
async function show(
  options: EmailRoutesOptions,
  request: Request,
  toPage: () => Promise<EmailPage>,
): Promise<Response> {
  const context = { templates: options.templates, request };
  try {
    return await toEmailPage(context, await toPage());
  } catch (error) {
    if (!isNavigation(request) || !(error instanceof AppError) || error.status >= 500) throw error;
    options.noteRefusal(error, request);
    return toEmailPage(context, { step: "gone", action: RESEND_PATH, problem: error });
  }
}

/** Answers the form of a page with a page, any other client with JSON. */
async function answer<Done>(
  options: EmailRoutesOptions,
  request: Request,
  asked: {
    readonly work: () => Promise<Done>;
    /** Of what has no page. @default 200 */
    readonly status?: number;
    readonly toPage: (done: Done) => EmailPage;
    /** @default the link is of no use */
    readonly toProblemPage?: (problem: AppError) => EmailPage;
  },
): Promise<Response> {
  const { work, status = 200, toPage, toProblemPage } = asked;
  const headers = { "cache-control": "no-store" };
  if (!isForm(request)) {
    const done = await work();
    return done === undefined
      ? new Response(null, { status, headers })
      : Response.json(done, { status, headers });
  }
  return show(options, request, async () => {
    try {
      return toPage(await work());
    } catch (error) {
      if (toProblemPage === undefined || !(error instanceof AppError) || error.status >= 500) throw error;
      options.noteRefusal(error, request);
      return toProblemPage(error);
    }
  });
}

function isForm(request: Request): boolean {
  const type = request.headers.get("content-type") ?? "";
  return type.startsWith("application/x-www-form-urlencoded") && isNavigation(request);
}
