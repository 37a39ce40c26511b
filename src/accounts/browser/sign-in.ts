import { AppError } from "../../errors/errors.ts";
import { setCookie } from "../../web/answers.ts";
import type { Site } from "../../web/clients/site.ts";
import { fail } from "../identity/error-codes.ts";
import type { Origin } from "../identity/principal.ts";
import { type SessionOwner, toPresentOwner } from "../identity/session-owner.ts";
import type { Credentials, Login, OtpChallenge } from "../login/login.ts";
import type { BrowserForms, PasskeyForm } from "../login/routes.ts";
import { readAnswer } from "../passkeys/answers.ts";
import { findRelyingParty } from "../passkeys/relying-party.ts";
import type { CookieSession } from "../sessions/sessions.ts";
import type { Notices } from "../notices/notices.ts";
import { readDevicesCookie, toSetDevicesCookie } from "./cookies.ts";
import type { BrowserCredentials } from "./credentials.ts";
import { isNavigation, LOGIN_PATH, redirectTo, toOwnPath, toRelative } from "./navigation.ts";
import {
  type PageContext,
  type ShownProvider,
  toKeepPage,
  toLoginCodePage,
  toLoginPage,
  toSignInPage,
} from "./pages.ts";

export interface BrowserSignInOptions {
  readonly templates: PageContext["templates"];
  readonly login: Login<CookieSession>;
  readonly credentials: BrowserCredentials;
  readonly site: Site;
  readonly originOf: (request: Request) => Origin;
  /** Providers that people sign in by. */
  readonly listProviders: () => readonly ShownProvider[];
  /** Returns where the browser of a session ends that of its provider too; null where there is no such place. */
  readonly findProviderLogout: (sessionId: string, request: Request) => Promise<ProviderLogout | null>;
  readonly notices: Pick<Notices, "markDevice">;
  /** Is told of what a page refuses: the log has a line for each. */
  readonly noteRefusal: (error: AppError, request: Request) => void;
}

/** Where a browser signs out of a provider. */
export interface ProviderLogout {
  /** What a button says. */
  readonly title: string;
  readonly url: URL;
}

/**
 * Signs people in who send the forms of our pages, and gives their browsers the cookie of a new session: what a browser
 * had before is never gone on with, and ends.
 */
export class BrowserSignIn implements BrowserForms {
  readonly #options: BrowserSignInOptions;

  constructor(options: BrowserSignInOptions) {
    this.#options = options;
  }

  async takePassword(request: Request, credentials: Credentials, next?: string): Promise<Response> {
    const context = this.#toContext(request, next);
    return this.#answer(context, () => this.#signIn(request, credentials), {
      toChallengePage: ({ otp_token }) => toLoginCodePage(context, otp_token),
      toProblemPage: (problem) => toLoginPage({ ...context, problem }, { email: credentials.email }),
    });
  }

  async takeCode(
    request: Request,
    given: { readonly otp_token: string; readonly code: string },
    next?: string,
  ): Promise<Response> {
    const context = this.#toContext(request, next);
    const enter = async () => {
      const session = await this.#options.login.withCode(given, this.originOf(request));
      await this.hand(request, session);
      return session;
    };
    return this.#answer(context, enter, {
      toChallengePage: () => toLoginPage(context),
      toProblemPage: (problem) =>
        problem.code === "authentication_error"
          ? toLoginPage({ ...context, problem })
          : toLoginCodePage({ ...context, problem }, given.otp_token),
    });
  }

  async takePasskey(request: Request, given: PasskeyForm, next?: string): Promise<Response> {
    const context = this.#toContext(request, next);
    const { otp_token } = given;
    const enter = async () => {
      const { login, site } = this.#options;
      const credential = readAnswer(given.credential);
      const party = findRelyingParty(site, request);
      const session = await login.withPasskey({ credential, otp_token }, party, this.originOf(request));
      await this.hand(request, session);
      return session;
    };
    return this.#answer(context, enter, {
      toChallengePage: () => toLoginPage(context),
      toProblemPage: (problem) =>
        otp_token === undefined || problem.code === "authentication_error"
          ? toLoginPage({ ...context, problem })
          : toLoginCodePage({ ...context, problem }, otp_token),
    });
  }

  async refuse(request: Request, form: "password" | "code", body: unknown, next: unknown): Promise<Response> {
    const message =
      form === "password"
        ? "Give your email, of at most 320 characters, and your password, of at most 1024"
        : "Give the code of your device, or a recovery code";
    const problem = fail("validation_error", message);
    const context = { ...this.#toContext(request, readField({ next }, "next")), problem };
    const token = readField(body, "otp_token");
    return form === "code" && token !== ""
      ? toLoginCodePage(context, token)
      : toLoginPage(context, { email: readField(body, "username") || readField(body, "email") });
  }

  async leave(request: Request): Promise<Response | null> {
    const { credentials, findProviderLogout } = this.#options;
    const claims = credentials.claimsOf(request);
    credentials.forget(request);
    if (!isNavigation(request)) return null;
    const place = claims === null ? null : await findProviderLogout(claims.sessionId, request);
    if (place === null) return redirectTo(request, LOGIN_PATH);
    // Pages send no form that leads to another server: somebody follows a link there.
    const { title, url } = place;
    const back = toRelative(request, LOGIN_PATH);
    return toSignInPage(this.#toContext(request, "/"), "signed-out", { title, url: url.href, back });
  }

  renew(request: Request, session: CookieSession): Promise<void> {
    return this.#options.credentials.renew(request, session);
  }

  /** Signs somebody in who has just made their account; false where that is refused, or takes another step. */
  async enter(request: Request, credentials: Credentials): Promise<boolean> {
    try {
      return !("otp_required" in (await this.#signIn(request, credentials)));
    } catch (error) {
      if (error instanceof AppError && error.status < 500) return false;
      throw error;
    }
  }

  async #signIn(request: Request, credentials: Credentials): Promise<CookieSession | OtpChallenge> {
    const answer = await this.#options.login.withPassword(credentials, this.originOf(request));
    if (!("otp_required" in answer)) await this.hand(request, answer);
    return answer;
  }

  /** Gives the browser its cookie, and ends the session that it had before. */
  async hand(request: Request, session: CookieSession): Promise<void> {
    const { credentials, login } = this.#options;
    const before = await this.#findOwner(request);
    if (before !== null) await login.logout(before);
    setCookie(request, await credentials.toCookie(request, session));
  }

  async #findOwner(request: Request): Promise<SessionOwner | null> {
    const { credentials, originOf } = this.#options;
    const value = credentials.read(request);
    const found = value === null ? null : await credentials.verifyCookie(value, request);
    return found === null ? null : toPresentOwner(found.principal, originOf(request));
  }

  async #answer(
    context: PageContext,
    enter: () => Promise<CookieSession | OtpChallenge>,
    pages: {
      readonly toChallengePage: (challenge: OtpChallenge) => Promise<Response>;
      readonly toProblemPage: (problem: AppError) => Promise<Response>;
    },
  ): Promise<Response> {
    const { request, next } = context;
    try {
      this.#assertOwnForm(request);
      const answer = await enter();
      if ("otp_required" in answer) return await pages.toChallengePage(answer);
      return await this.markDevice(request, answer.userId, redirectTo(request, next));
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error;
      this.#options.noteRefusal(error, request);
      if (error.code === "deletion_pending") return await toKeepPage(context, error);
      return await pages.toProblemPage(error);
    }
  }

  /** Where a request comes from, and by what its browser is known. */
  originOf(request: Request): Origin {
    const { originOf, site } = this.#options;
    const devices = readDevicesCookie(request.headers.get("cookie"), site.isSecure(request));
    return { ...originOf(request), devices };
  }

  /** Has the browser show from now on that the account was logged in to with it: its owner is told of others. */
  async markDevice(request: Request, userId: number, response: Response): Promise<Response> {
    const { notices, site } = this.#options;
    const isSecure = site.isSecure(request);
    const marks = readDevicesCookie(request.headers.get("cookie"), isSecure);
    const marked = await notices.markDevice(userId, marks);
    if (marked !== null) response.headers.append("set-cookie", toSetDevicesCookie(marked, isSecure));
    return response;
  }

  /** Another site could sign a browser in with an account of its own, and read later what is done with it. */
  #assertOwnForm(request: Request): void {
    if (this.#options.site.isOwnRequest(request)) return;
    const message =
      "Cannot tell that the form was sent from this page: open it at the address of the server, and try again";
    throw fail("cross_site_request", message);
  }

  #toContext(request: Request, next: string | undefined): PageContext {
    const { templates, site, listProviders } = this.#options;
    return { templates, site, request, next: toOwnPath(next), providers: listProviders() };
  }
}

/** A field of a form as it is shown again: "" for what nobody can have typed there. */
function readField(body: unknown, name: string): string {
  const value =
    typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
  return typeof value === "string" && value.length <= 4096 ? value : "";
}
