import { Elysia, t } from "elysia";
import { AppError } from "../../errors/errors.ts";
import { isForm, toAddressKey } from "../../web/clients/site.ts";
import { isNavigation, RESEND_PATH } from "../browser/navigation.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import { BY_SESSION, FRESH_PASSWORD, toSessionOwner } from "../identity/session-owner.ts";
import { hashToken } from "../keys/opaque-tokens.ts";
import type { Afterwork } from "../links/afterwork.ts";
import { type LinkPageContext } from "../links/pages.ts";
import { normalizeEmail } from "../people/emails.ts";
import type { MailArrival } from "../people/send-mail.ts";
import type { Recovery } from "../recovery/recovery.ts";
import type { TakingBack } from "../recovery/taking-back.ts";
import { type EmailPage, toEmailPage } from "./pages.ts";
import type { EmailChangeServices } from "./change.ts";
import type { ProvenEmail } from "./verification.ts";

export interface EmailRoutesOptions extends EmailChangeServices, TakingBack {
  readonly templates: LinkPageContext["templates"];
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  /** Sends the link for another password to who has taken an account back. */
  readonly recovery: Pick<Recovery, "send">;
  readonly afterwork: Afterwork;
  /** Where mail of this server arrives. */
  readonly mailArrival: () => MailArrival;
  /** Is told of what a page refuses: the log has a line for each. */
  readonly noteRefusal: (error: AppError, request: Request) => void;
}

const VERIFY_PATH = "/auth/email/verify";
const CONFIRM_PATH = "/auth/email/confirm";
const UNDO_PATH = "/auth/email/undo";
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
    .use(verificationRoutes(options))
    .use(changeRoutes(options))
    .use(undoRoutes(options));
}

function undoRoutes(options: EmailRoutesOptions) {
  const { originOf, recovery, afterwork, mailArrival } = options;
  const undo = async (token: string, request: Request) => {
    const origin = originOf(request);
    const { undoChange } = await import("./undo.ts");
    const undone = await undoChange(options, token, origin);
    if (undone.isActive)
      afterwork.add("a link for a new password", () => recovery.send(undone.email, origin));
    return undone;
  };
  return new Elysia({ name: "xcore/auth/email/undo" })
    .get(
      "/undo",
      ({ query: { token }, request }) =>
        show(options, request, async () => {
          const { readUndo } = await import("./undo.ts");
          const { email } = await readUndo(options, token);
          return { step: "undo", action: UNDO_PATH, values: { token, email } };
        }),
      {
        query: t.Object({ token: Token }),
        detail: { summary: "Page that asks whether a change of email is to be undone", hide: true },
      },
    )
    .post(
      "/undo",
      ({ body: { token }, request }) =>
        answer(options, request, {
          work: () => undo(token, request),
          toPage: ({ email, isActive }) => ({
            step: "undone",
            values: { email, arrival: isActive ? mailArrival() : "inactive" },
          }),
        }),
      {
        body: t.Object({ token: Token }),
        response: { 200: Proven },
        detail: {
          summary:
            "Take an account back whose email was changed, with the token of the link that was mailed to it",
          description:
            "Ends all sessions and what was made since, locks the account until another password is set by mail, and sends the " +
            "link for that.",
        },
      },
    );
}

function changeRoutes(options: EmailRoutesOptions) {
  const { guards, principals, originOf } = options;
  return new Elysia({ name: "xcore/auth/email/change" })
    .use(guards)
    .post(
      "",
      async ({ body, request }) => {
        const owner = toSessionOwner(principals.require(request), originOf(request));
        await (await import("./change.ts")).askForChange(options, owner, body);
        return new Response(null, { status: 202 });
      },
      {
        auth: true,
        body: t.Object({
          email: t.String({ minLength: 1, maxLength: 320 }),
          current_password: t.Optional(
            t.String({ minLength: 1, maxLength: 1024, description: FRESH_PASSWORD }),
          ),
        }),
        response: { 202: t.Void() },
        detail: {
          summary: "Have a link mailed to another email, by which it becomes that of the account",
          ...BY_SESSION,
        },
      },
    )
    .get(
      "/confirm",
      ({ query: { token }, request }) =>
        show(options, request, async () => {
          const { readChange } = await import("./change.ts");
          const values = { token, ...(await readChange(options, token)) };
          return { step: "confirm", action: CONFIRM_PATH, values };
        }),
      {
        query: t.Object({ token: Token }),
        detail: { summary: "Page that asks whether an email is to be changed", hide: true },
      },
    )
    .post(
      "/confirm",
      ({ body: { token }, request }) =>
        answer(options, request, {
          work: async () => (await import("./change.ts")).confirmChange(options, token, originOf(request)),
          toPage: ({ email }) => ({ step: "confirmed", values: { email } }),
        }),
      {
        body: t.Object({ token: Token }),
        response: { 200: Proven },
        detail: {
          summary: "Change the email of an account, with the token of the link that was mailed to it",
        },
      },
    );
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
          toPage: ({ email, isUnlocked }) => ({
            step: "verified",
            values: { email, is_unlocked: isUnlocked ? "yes" : "" },
          }),
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
  const { limits, afterwork, originOf, mailArrival } = options;
  return answer(options, request, {
    status: 202,
    async work(): Promise<undefined> {
      const email = normalizeEmail(text);
      const origin = originOf(request);
      await limits.mailsByClient.take(toAddressKey(origin.ipAddress));
      await limits.mailsByAddress.take(hashToken(email));
      afterwork.add("the link that verifies an email", async () =>
        (await load()).resendVerification(options, email, origin),
      );
    },
    toPage: () => ({ step: "sent", values: { email: text, arrival: mailArrival() } }),
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
    const step = error.code === "link_invalid" ? "gone" : "refused";
    return toEmailPage(context, { step, problem: error });
  }
}

/** Answers the form of a page with a page, any other client with JSON. */
async function answer<Done extends ProvenEmail | undefined>(
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
      : Response.json({ email: done.email }, { status, headers });
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
