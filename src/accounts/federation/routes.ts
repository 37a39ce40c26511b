import { Elysia, t } from "elysia";
import { listOf } from "../../db/paging/paginate.ts";
import { AppError } from "../../errors/errors.ts";
import { type Site, toAddressKey } from "../../web/clients/site.ts";
import type { BrowserCredentials } from "../browser/credentials.ts";
import { isNavigation, redirectTo, toOwnPath } from "../browser/navigation.ts";
import { type PageContext, toKeepPage, toLoginCodePage } from "../browser/pages.ts";
import type { BrowserSignIn } from "../browser/sign-in.ts";
import type { Guards } from "../identity/guards.ts";
import type { Origin } from "../identity/principal.ts";
import type { Principals } from "../identity/principals.ts";
import { type Attempts, BY_SESSION, type SessionOwner, toSessionOwner } from "../identity/session-owner.ts";
import type { CoreStore } from "../people/store.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { appRoutes } from "./app-routes.ts";
import type { FlowPurpose } from "./flows.ts";
import { identityRoutes } from "./identity-routes.ts";
import type { Providers } from "./on-demand.ts";
import { findProvider } from "./providers.ts";

export interface ProviderRoutesOptions {
  readonly guards: Guards;
  readonly principals: Principals;
  readonly originOf: (request: Request) => Origin;
  readonly store: CoreStore;
  readonly site: Site;
  readonly templates: PageContext["templates"];
  readonly credentials: Pick<BrowserCredentials, "renew">;
  readonly sessions: Pick<Sessions, "noteIdentification">;
  readonly forms: Pick<BrowserSignIn, "hand" | "markDevice" | "originOf">;
  readonly providers: Providers;
  /** Counts sign-ins by address. */
  readonly limits: Attempts;
  /** Is told of what a page refuses: the log has a line for each. */
  readonly noteRefusal: (error: AppError, request: Request) => void;
}

const Id = t.Object({ id: t.String({ minLength: 1, maxLength: 64 }) });
/** What can't be a path of this server leads to its home page. */
const Next = t.Object({
  next: t.String({ default: "/", maxLength: 4096, description: "Where to go on to: a path of this server" }),
});
// All of it is in one cookie, of which browsers keep 4096 characters.
const StartQuery = t.Composite([
  Next,
  t.Object({
    invitation: t.Optional(t.String({ maxLength: 256, description: "Token of an invitation to accept" })),
    redirect_uri: t.Optional(
      t.String({ maxLength: 512, description: "Of an app, which gets a code: one of auth.redirect_uris" }),
    ),
    code_challenge: t.Optional(
      t.String({ pattern: "^[A-Za-z0-9_-]{43}$", description: "Of PKCE with S256, which an app needs" }),
    ),
    state: t.Optional(t.String({ maxLength: 255, description: "What the app is told again" })),
  }),
]);
const LISTED_AT_ONCE = 100;
const Provider = t.Object({
  id: t.String({ description: "For /auth/providers/{id}/start" }),
  title: t.String({ description: "What a button says" }),
});
const BROWSER = "For a browser, which is led to the provider (303) and back";

/** Serves signing in by providers, and what accounts are linked to, below `/auth`. */
export function providerRoutes(options: ProviderRoutesOptions) {
  return new Elysia({ name: "xcore/providers", prefix: "/auth", detail: { tags: ["auth"] } })
    .use(wayRoutes(options))
    .use(appRoutes(options))
    .use(logoutRoutes(options))
    .use(identityRoutes(options))
    .use(linkRoutes(options));
}

/** Ways to a provider and back. */
function wayRoutes(options: ProviderRoutesOptions) {
  const { guards, principals, originOf, providers } = options;
  const sessionOf = (request: Request): string =>
    toSessionOwner(principals.require(request), originOf(request)).sessionId;
  return new Elysia({ name: "xcore/providers/ways", prefix: "/providers" })
    .use(guards)
    .get("", () => toList(providers.list()), {
      response: listOf(Provider),
      detail: { summary: "The providers that people sign in by" },
    })
    .get(
      "/:id/start",
      ({ params, query, request }) => begin(options, request, { ...params, ...query, purpose: "enter" }),
      { params: Id, query: StartQuery, detail: { summary: "Sign in by a provider", description: BROWSER } },
    )
    .get(
      "/:id/link",
      ({ params, query, request }) =>
        begin(options, request, { ...params, ...query, purpose: "link", sessionId: sessionOf(request) }),
      {
        auth: true,
        params: Id,
        query: Next,
        detail: { summary: "Link the account to one of a provider", description: BROWSER, ...BY_SESSION },
      },
    )
    .get(
      "/:id/verify",
      ({ params, query, request }) =>
        begin(options, request, { ...params, ...query, purpose: "verify", sessionId: sessionOf(request) }),
      {
        auth: true,
        params: Id,
        query: Next,
        detail: {
          summary: "Show by a provider who you are again, in the place of the password",
          description: BROWSER,
          ...BY_SESSION,
        },
      },
    )
    .get("/:id/callback", ({ params, request }) => complete(options, request, params.id), {
      optionalAuth: true,
      params: Id,
      detail: { summary: "Where a provider sends browsers back to", hide: true },
    });
}

/** What providers say of sessions of theirs that have ended. */
function logoutRoutes({ originOf, providers }: ProviderRoutesOptions) {
  return new Elysia({ name: "xcore/providers/logout", prefix: "/providers" }).post(
    "/:id/backchannel_logout",
    async ({ params, body, request, set }) => {
      const provider = findProvider(providers.settings().auth, params.id);
      const { federation, logout } = await providers.load();
      const { endByProvider } = await import("./logout.ts");
      const client = await federation.clientOf(provider);
      const asked = { token: body.logout_token, provider: params.id, origin: originOf(request) };
      set.headers["cache-control"] = "no-store";
      return { ended: await endByProvider(logout, client, asked) };
    },
    {
      params: Id,
      body: t.Object({ logout_token: t.String({ minLength: 1, maxLength: 16_384 }) }),
      response: t.Object({ ended: t.Integer({ description: "How many sessions that were" }) }),
      detail: {
        summary: "Tell that a session of the provider has ended",
        description:
          "For providers (OpenID Connect Back-Channel Logout 1.0), which send a form with `logout_token`: the sessions that " +
          "theirs has begun here end, on all instances",
      },
    },
  );
}

/** The page on which the owner of an account agrees that a provider's is theirs. */
function linkRoutes(options: ProviderRoutesOptions) {
  const { guards } = options;
  return new Elysia({ name: "xcore/providers/link", prefix: "/identities/link" })
    .use(guards)
    .get("", ({ request }) => showLink(options, request), {
      optionalAuth: true,
      detail: { summary: "Page that asks whether a provider's account is yours", hide: true },
    })
    .post("", ({ request }) => takeLink(options, request), {
      auth: true,
      body: t.Optional(t.Object({ csrf_token: t.Optional(t.String({ maxLength: 4096 })) })),
      detail: { summary: "Its form", hide: true },
    });
}

async function begin(
  options: ProviderRoutesOptions,
  request: Request,
  asked: {
    readonly id: string;
    readonly next: string;
    readonly purpose: FlowPurpose;
    readonly sessionId?: string;
    readonly invitation?: string;
    readonly redirect_uri?: string;
    readonly code_challenge?: string;
    readonly state?: string;
  },
): Promise<Response> {
  const { providers, site } = options;
  const { id, purpose, sessionId = null, invitation = null } = asked;
  const context = toContext(options, request, asked.next);
  try {
    findProvider(providers.settings().auth, id);
    const [{ federation, logout }, { toFlowCookie, toPublicUrl }, { toAppReturn }] = await Promise.all([
      providers.load(),
      import("./flows.ts"),
      import("./apps.ts"),
    ]);
    const { publicUrl, auth } = providers.settings();
    const app = toAppReturn(auth.redirect_uris, asked);
    // Who links an account on the way begins anew.
    const next = app === null ? context.next : toOwnPath(request.url.slice(request.url.indexOf("/auth/")));
    const redirectUri = toPublicUrl({ publicUrl, site }, request, `/auth/providers/${id}/callback`);
    const { url, flow } = await federation.begin(id, {
      purpose,
      next,
      sessionId,
      invitation,
      app,
      redirectUri,
    });
    const cookie = await toFlowCookie(logout.box, flow, site.isSecure(request));
    const headers = { location: url.href, "set-cookie": cookie, "cache-control": "no-store" };
    return new Response(null, { status: 303, headers });
  } catch (error) {
    return explain(options, context, error);
  }
}

async function complete(options: ProviderRoutesOptions, request: Request, id: string): Promise<Response> {
  const { forms, providers, site, limits } = options;
  const isSecure = site.isSecure(request);
  let context = toContext(options, request, "/");
  try {
    findProvider(providers.settings().auth, id);
    const [{ federation, logout }, { readFlow, toWayCookie }] = await Promise.all([
      providers.load(),
      import("./flows.ts"),
    ]);
    const origin = forms.originOf(request);
    const giveBack = await limits.take(toAddressKey(origin.ipAddress));
    const flow = await readFlow(logout.box, request, { provider: id, isSecure });
    context = { ...context, next: flow.next };
    const query = request.url.slice(request.url.indexOf("?") + 1);
    const outcome = await federation.complete(flow, query, ownerOf(options, request), origin);
    giveBack();
    const answer = await toAnswer(options, context, outcome);
    answer.headers.append("set-cookie", toWayCookie("xcore_flow", "", { isSecure }));
    return answer;
  } catch (error) {
    return explain(options, context, error);
  }
}

type Outcome = Awaited<ReturnType<Awaited<ReturnType<Providers["load"]>>["federation"]["complete"]>>;

async function toAnswer(
  { forms, sessions, credentials, originOf, site }: ProviderRoutesOptions,
  context: PageContext,
  outcome: Outcome,
): Promise<Response> {
  const { request, next } = context;
  switch (outcome.kind) {
    case "entered":
      await forms.hand(request, outcome.session);
      return forms.markDevice(request, outcome.session.userId, redirectTo(request, next));
    case "app":
      return new Response(null, {
        status: 303,
        headers: { location: outcome.url.href, "cache-control": "no-store" },
      });
    case "second step":
      return toLoginCodePage(context, outcome.challenge.otp_token);
    case "verified": {
      const owner = { ...outcome.owner, origin: originOf(request) };
      const session = await sessions.noteIdentification(owner);
      if (session !== null) await credentials.renew(request, session);
      return redirectTo(request, next);
    }
    default: {
      const [{ toWayCookie }, { LINK_PATH }] = await Promise.all([
        import("./flows.ts"),
        import("./pages.ts"),
      ]);
      const answer = redirectTo(request, LINK_PATH);
      const isSecure = site.isSecure(request);
      answer.headers.append("set-cookie", toWayCookie("xcore_identity", outcome.token, { isSecure }));
      return answer;
    }
  }
}

async function showLink(options: ProviderRoutesOptions, request: Request): Promise<Response> {
  const { providers, site } = options;
  const context = toContext(options, request, "/");
  try {
    const [{ federation }, { readWayCookie }, pages, { assertLinkable }, { signInInvalid }] =
      await Promise.all([
        providers.load(),
        import("./flows.ts"),
        import("./pages.ts"),
        import("./federation.ts"),
        import("./answers.ts"),
      ]);
    const pending = await federation.findPending(
      readWayCookie("xcore_identity", request, site.isSecure(request)),
    );
    if (pending === null) throw signInInvalid("There is nothing to link, or it took too long: begin again");
    const owner = ownerOf(options, request);
    if (owner === null) return await pages.toKnownEmailPage(context, pending);
    assertLinkable(pending, owner);
    return await pages.toLinkPage({ ...context, next: pending.next }, pending);
  } catch (error) {
    return explain(options, context, error);
  }
}

async function takeLink(options: ProviderRoutesOptions, request: Request): Promise<Response> {
  const { providers, site, principals, originOf } = options;
  const owner = toSessionOwner(principals.require(request), originOf(request));
  const isSecure = site.isSecure(request);
  const context = toContext(options, request, "/");
  try {
    const [{ federation }, { readWayCookie, toWayCookie }] = await Promise.all([
      providers.load(),
      import("./flows.ts"),
    ]);
    const token = readWayCookie("xcore_identity", request, isSecure) ?? "";
    const { next } = await federation.link(owner, token);
    const answer = redirectTo(request, next);
    answer.headers.append("set-cookie", toWayCookie("xcore_identity", "", { isSecure }));
    return answer;
  } catch (error) {
    return explain(options, context, error);
  }
}

/** Shows a browser what went wrong, and throws it for others; what asks for the password again leads there. */
async function explain(
  options: ProviderRoutesOptions,
  context: PageContext,
  error: unknown,
): Promise<Response> {
  const isShown = error instanceof AppError && (error.status < 500 || error.code === "provider_unavailable");
  if (!isShown || !isNavigation(context.request) || LED_ON.has(error.code)) throw error;
  options.noteRefusal(error, context.request);
  if (error.code === "deletion_pending") return toKeepPage(context, error);
  const { toProviderProblemPage } = await import("./pages.ts");
  return toProviderProblemPage(context, error);
}

/** What leads a browser to where it shows who it is. */
const LED_ON = new Set(["authentication_error", "identification_expired", "otp_expired"]);

function ownerOf({ principals, originOf }: ProviderRoutesOptions, request: Request): SessionOwner | null {
  const principal = principals.peek(request);
  if (principal === null || principal.sessionId === null || principal.viewer) return null;
  return { user: principal.user, sessionId: principal.sessionId, origin: originOf(request) };
}

function toContext({ templates, site }: ProviderRoutesOptions, request: Request, next: string): PageContext {
  return { templates, site, request, next: toOwnPath(next) };
}

function toList<Item>(items: Item[]) {
  return { items, page: 1, per_page: LISTED_AT_ONCE, total: items.length };
}
