import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Configuration, Provider } from "oidc-provider";

/** Somebody with an account at the issuer: its claims, `sub` is what they are found by. */
export type Person = Readonly<Record<string, unknown>> & { readonly sub: string };

export const CLIENT_ID = "xcore-test";
export const CLIENT_SECRET = "a secret of the tests that nothing else has";

/** A real issuer (oidc-provider) on a port of its own. Whoever comes to it is `person`, who always agrees. */
export class TestIssuer {
  readonly url: string;
  readonly #server: Server;
  readonly #provider: Provider;
  readonly #people = new Map<string, Person>();
  /** Who sits before the browser; null for somebody who cancels. */
  person: Person | null = null;
  /** Whether it answers nothing at all. */
  isDown = false;
  /** Paths that were asked for, in order. */
  readonly asked: string[] = [];

  private constructor(server: Server, url: string, redirectUri: string, more: Partial<Configuration>) {
    this.#server = server;
    this.url = url;
    this.#provider = new Provider(url, this.#toConfiguration(redirectUri, more));
    const answer = this.#provider.callback();
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const { url: path = "" } = request;
      this.asked.push(path);
      if (this.isDown) response.destroy();
      else if (path.startsWith("/interaction/")) void this.#interact(request, response);
      else void answer(request, response);
    });
  }

  /** @param redirectUri where it may send browsers back to */
  static async start(redirectUri: string, more: Partial<Configuration> = {}): Promise<TestIssuer> {
    const server = createServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("The issuer has no port");
    return new TestIssuer(server, `http://127.0.0.1:${address.port}`, redirectUri, more);
  }

  /**
   * Follows a browser that was sent here, as one does that keeps the issuer's cookies, and returns where it is sent back to.
   *
   * @param jar cookies of the issuer. @default those of a new browser
   */
  async follow(location: string, jar = new Map<string, string>()): Promise<string> {
    let next = location;
    while (next.startsWith(this.url)) {
      const cookie = [...jar].map((pair) => pair.join("=")).join("; ");
      // oxlint-disable-next-line no-await-in-loop -- each leads to the next
      const response = await fetch(next, { redirect: "manual", headers: { cookie } });
      for (const set of response.headers.getSetCookie()) {
        const [pair = ""] = set.split(";");
        const at = pair.indexOf("=");
        jar.set(pair.slice(0, at), pair.slice(at + 1));
      }
      const to = response.headers.get("location");
      // oxlint-disable-next-line no-await-in-loop -- as above
      if (to === null)
        throw new Error(`The issuer leads nowhere: ${response.status} ${await response.text()}`);
      next = new URL(to, next).href;
    }
    return next;
  }

  [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    return promise;
  }

  async #interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { params, session } = await this.#provider.interactionDetails(request, response);
    const { person } = this;
    if (person === null) {
      const error = { error: "access_denied", error_description: "cancelled" };
      return this.#provider.interactionFinished(request, response, error);
    }
    this.#people.set(person.sub, person);
    const accountId = session?.accountId ?? person.sub;
    const grant = new this.#provider.Grant({ accountId, clientId: String(params["client_id"]) });
    grant.addOIDCScope(String(params["scope"]));
    const { acr, amr } = person as { acr?: string; amr?: string[] };
    const result = {
      login: { accountId, ...(acr && { acr }), ...(amr && { amr }) },
      consent: { grantId: await grant.save() },
    };
    return this.#provider.interactionFinished(request, response, result);
  }

  #toConfiguration(redirectUri: string, more: Partial<Configuration>): Configuration {
    return {
      clients: [
        {
          client_id: CLIENT_ID,
          client_secret: CLIENT_SECRET,
          redirect_uris: [redirectUri],
          backchannel_logout_uri: redirectUri.replace(/callback$/, "backchannel_logout"),
          backchannel_logout_session_required: true,
          post_logout_redirect_uris: [new URL("/auth/login", redirectUri).href],
        },
      ],
      claims: {
        openid: ["sub", "groups", "acr", "amr", "auth_time"],
        email: ["email", "email_verified"],
        profile: ["name"],
      },
      features: {
        devInteractions: { enabled: false },
        backchannelLogout: { enabled: true },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource: (ctx, form) => void (ctx.body = `<!doctype html><body>${form}</body>`),
        },
      },
      interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
      findAccount: (_context, sub) => {
        const person = this.#people.get(sub);
        return person && { accountId: sub, claims: () => ({ ...person }) };
      },
      pkce: { required: () => true },
      cookies: { keys: ["of the tests"] },
      ttl: { Session: 3600, Interaction: 600, Grant: 3600, AccessToken: 600, IdToken: 600 },
      ...more,
    };
  }
}
