import { Elysia, t } from "elysia";
import { fail } from "../../errors/codes.ts";
import { AppError } from "../../errors/errors.ts";
import type { Site } from "../../web/clients/site.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import {
  type Attempts,
  BY_SESSION,
  type ConfirmPassword,
  requireAnySession,
  requireSession,
  type SessionOwner,
  toSessionOwner,
} from "../identity/session-owner.ts";
import type { Impersonation } from "../impersonation/impersonation.ts";
import { AnswerField, readAnswer } from "../passkeys/answers.ts";
import type { Passkeys } from "../passkeys/passkeys.ts";
import { findRelyingParty } from "../passkeys/relying-party.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { OtpDevices } from "../two-factor/devices.ts";
import type { BrowserCredentials } from "./credentials.ts";
import { redirectTo, toOwnPath } from "./navigation.ts";
import {
  type PageContext,
  type Proofs,
  type ShownProvider,
  toLoginPage,
  toLogoutPage,
  toVerifyPage,
} from "./pages.ts";
import { TICKET_SECONDS, type Tickets } from "./tickets.ts";

export interface BrowserRoutesOptions {
  readonly templates: PageContext["templates"];
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  readonly credentials: BrowserCredentials;
  readonly tickets: Tickets;
  readonly sessions: Pick<Sessions, "noteIdentification">;
  readonly devices: Pick<OtpDevices, "isEnabled" | "stepUp">;
  readonly passkeys: Pick<Passkeys, "stepUp">;
  readonly site: Site;
  readonly confirmPassword: ConfirmPassword;
  readonly impersonation: Pick<Impersonation, "leave">;
  /** Counts tries of codes by session. */
  readonly codeLimits: Attempts;
  /** Providers that people sign in by. */
  readonly listProviders: () => readonly ShownProvider[];
  /** By what an account shows again who it is, without a second factor. */
  readonly findProofs: (userId: number) => Promise<Proofs>;
  /** Whether there is no administrator yet. */
  readonly needsSetup: () => Promise<boolean>;
  /** Is told of what a page refuses: the log has a line for each. */
  readonly noteRefusal: (error: AppError, request: Request) => void;
}

/** What can't be a path of this server leads to its home page, and no field that is too long to an error without its form. */
const Next = t.Object({ next: t.String({ default: "/" }) });
const Identification = t.Object({
  current_password: t.String({ default: "" }),
  code: t.String({ default: "" }),
  credential: t.Optional(AnswerField),
});
const MAX_PASSWORD = 1024; // characters
const MAX_CODE = 64;

/** Serves the pages that people sign in and out with, and tickets for WebSockets and streams, below `/auth`. */
export function browserRoutes(options: BrowserRoutesOptions) {
  const { templates, site, guards, principals, tickets } = options;
  const toContext = (request: Request, next: string): PageContext => ({
    templates,
    site,
    request,
    next: toOwnPath(next),
    providers: options.listProviders(),
  });
  return new Elysia({ name: "xcore/browser", prefix: "/auth", detail: { tags: ["auth"] } })
    .use(guards)
    .get(
      "/login",
      async ({ query, request, user }) => {
        const context = toContext(request, query.next);
        const isKnown = user !== null || (await isBack(options, request));
        if (isKnown) return redirectTo(request, context.next);
        return toLoginPage(context, { needsSetup: await options.needsSetup() });
      },
      { optionalAuth: true, query: Next, detail: { summary: "Page to sign in", hide: true } },
    )
    .get(
      "/logout",
      ({ query, request }) => {
        sessionOf(principals, request);
        return toLogoutPage(toContext(request, query.next));
      },
      { auth: true, query: Next, detail: { summary: "Page to sign out", hide: true } },
    )
    .get("/verify", ({ query, request }) => showVerifyPage(options, toContext(request, query.next)), {
      auth: true,
      query: Next,
      detail: { summary: "Page that asks for the password again, or a code", hide: true },
    })
    .post(
      "/verify",
      ({ body, query, request }) => takeIdentification(options, toContext(request, query.next), body),
      { auth: true, query: Next, body: Identification, detail: { summary: "Its form", hide: true } },
    )
    .post(
      "/ticket",
      async ({ request }) => ({
        ticket: await tickets.mint(sessionOf(principals, request)),
        expires_in: TICKET_SECONDS,
      }),
      {
        auth: true,
        response: t.Object({
          ticket: t.String({ description: "For ?ticket= of one WebSocket or stream of events" }),
          expires_in: t.Integer({ description: "In seconds" }),
        }),
        detail: {
          summary: "Get a ticket, which opens one WebSocket or stream where no header can be sent",
          ...BY_SESSION,
        },
      },
    );
}

function sessionOf(principals: Principals, request: Request): string {
  return requireAnySession(principals.require(request));
}

/** Whether an administrator, whose view of somebody else has ended by itself, goes on with their own session. */
async function isBack(
  { impersonation, credentials, originOf }: BrowserRoutesOptions,
  request: Request,
): Promise<boolean> {
  const claims = credentials.claimsOf(request);
  const own = claims === null ? null : await impersonation.leave(claims, originOf(request));
  if (own !== null) await credentials.renew(request, own);
  return own !== null;
}

async function showVerifyPage(
  { principals, devices, findProofs }: BrowserRoutesOptions,
  context: PageContext,
): Promise<Response> {
  const principal = principals.require(context.request);
  requireSession(principal);
  const { id } = principal.user;
  return toVerifyPage(context, (await devices.isEnabled(id)) ? "code" : await findProofs(id));
}

async function takeIdentification(
  options: BrowserRoutesOptions,
  context: PageContext,
  given: typeof Identification.static,
): Promise<Response> {
  const { principals, originOf, devices } = options;
  const { request, next } = context;
  const owner = toSessionOwner(principals.require(request), originOf(request));
  try {
    if (given.current_password.length > MAX_PASSWORD || given.code.length > MAX_CODE) {
      const message = `Give the password, of at most ${MAX_PASSWORD} characters, or the code of your device`;
      throw fail("validation_error", message);
    }
    if (given.credential !== undefined) await takePasskey(options, request, owner, given.credential);
    else if (await devices.isEnabled(owner.user.id)) await takeCode(options, owner, given.code);
    else await takePassword(options, request, owner, given.current_password);
    return redirectTo(request, next);
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    options.noteRefusal(error, request);
    return showVerifyPage(options, { ...context, problem: error });
  }
}

async function takeCode(
  { devices, codeLimits }: BrowserRoutesOptions,
  { user, sessionId, origin }: SessionOwner,
  code: string,
): Promise<void> {
  await codeLimits.take(sessionId);
  await devices.stepUp(user.id, code, { sessionId, origin });
}

async function takePasskey(
  { passkeys, site, codeLimits }: BrowserRoutesOptions,
  request: Request,
  owner: SessionOwner,
  credential: string,
): Promise<void> {
  await codeLimits.take(owner.sessionId);
  await passkeys.stepUp(owner, readAnswer(credential), findRelyingParty(site, request));
}

async function takePassword(
  { confirmPassword, sessions, credentials }: BrowserRoutesOptions,
  request: Request,
  owner: SessionOwner,
  password: string,
): Promise<void> {
  await confirmPassword(owner, { password, action: "session.identified" });
  const session = await sessions.noteIdentification(owner);
  if (session !== null) await credentials.renew(request, session);
}
