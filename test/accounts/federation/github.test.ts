import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { CLIENT_ID, CLIENT_SECRET } from "./issuer.ts";
import { comeBack, World } from "./world.ts";

/** What GitHub says of somebody. */
interface GithubUser {
  readonly id: unknown;
  readonly login: string;
  readonly name?: string | null;
  readonly emails: readonly { email: string; primary: boolean; verified: boolean }[];
  readonly orgs?: readonly string[];
}

/** An HTTP server that answers as GitHub (Enterprise) does: authorization, token, user, emails, organizations. */
class Github implements Disposable {
  readonly #codes = new Map<string, { challenge: string; redirectUri: string; scope: string }>();
  readonly #server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.#answer(request) });
  user: GithubUser | null = null;

  get url(): string {
    return this.#server.url.origin;
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/login/oauth/authorize") return this.#authorize(searchParams);
    if (pathname === "/login/oauth/access_token")
      return this.#exchange(new URLSearchParams(await request.text()));
    const { user } = this;
    if (request.headers.get("authorization") !== "Bearer gho_test" || user === null)
      return Response.json({ message: "Bad credentials" }, { status: 401 });
    if (pathname === "/api/v3/user")
      return Response.json({ id: user.id, login: user.login, name: user.name ?? null });
    if (pathname === "/api/v3/user/emails") return Response.json(user.emails);
    if (pathname === "/api/v3/user/orgs") return Response.json((user.orgs ?? []).map((login) => ({ login })));
    return Response.json({ message: "Not Found" }, { status: 404 });
  }

  #authorize(asked: URLSearchParams): Response {
    const redirectUri = asked.get("redirect_uri") ?? "";
    const back = new URL(redirectUri);
    back.searchParams.set("state", asked.get("state") ?? "");
    if (this.user === null) back.searchParams.set("error", "access_denied");
    else {
      const code = crypto.randomUUID();
      const [challenge, scope] = [asked.get("code_challenge") ?? "", asked.get("scope") ?? ""];
      this.#codes.set(code, { challenge, redirectUri, scope });
      back.searchParams.set("code", code);
    }
    return Response.redirect(back.href, 302);
  }

  #exchange(form: URLSearchParams): Response {
    const code = form.get("code") ?? "";
    const known = this.#codes.get(code);
    this.#codes.delete(code);
    if (form.get("client_id") !== CLIENT_ID || form.get("client_secret") !== CLIENT_SECRET)
      return Response.json({ error: "incorrect_client_credentials" });
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const isRight = known?.challenge === challenge && known.redirectUri === form.get("redirect_uri");
    return isRight
      ? Response.json({ access_token: "gho_test", token_type: "bearer", scope: known.scope })
      : Response.json({ error: "bad_verification_code" });
  }
}

const ADA: GithubUser = {
  id: 4711,
  login: "ada",
  name: "Ada Lovelace",
  emails: [
    { email: "ada@old.example", primary: false, verified: true },
    { email: "ada@example.com", primary: true, verified: true },
  ],
};

test("GitHub signs people in by its API, by their id and their primary email", async () => {
  await using world = await World.start();
  using github = new Github();
  const scopes = ["read:user", "user:email", "read:org"];
  const roles = [{ claim: "orgs", value: "acme", role: "admin" }];
  await world.configure({
    github: { preset: "github", issuer: github.url, provisioning: true, scopes, roles },
  });
  const lead = async (browser = world.browser()) => {
    const sent = await browser.get("/auth/providers/github/start");
    const to = await fetch(sent.headers.get("location") ?? "", { redirect: "manual" });
    const back = new URL(to.headers.get("location") ?? "");
    return { browser, back: back.pathname + back.search };
  };
  const signIn = async () => {
    const { browser, back } = await lead();
    const { status } = await comeBack(browser, back);
    return { ...(await world.whoIs(browser)), answered: status };
  };
  expect(await (await world.app.fetch("/auth/providers")).json()).toMatchObject({
    items: [{ title: "GitHub" }],
  });
  expect((await signIn()).answered).toBe(403); // cancelled
  github.user = { ...ADA, emails: [{ email: "ada@example.com", primary: true, verified: false }] };
  expect((await signIn()).answered).toBe(403);
  github.user = { ...ADA, orgs: ["acme"] };
  expect(await signIn()).toMatchObject({ email: "ada@example.com", roles: ["admin", "user"], answered: 303 });
  // The login was given to somebody else, who has another id.
  github.user = { ...ADA, id: 4712, emails: [{ email: "other@example.com", primary: true, verified: true }] };
  expect(await signIn()).toMatchObject({ email: "other@example.com", roles: ["user"] });

  github.user = ADA;
  const first = await lead();
  const second = await lead();
  // The state is another's, the code was used, the issuer is somebody else, the answer has two codes.
  expect((await comeBack(first.browser, second.back)).status).toBe(400);
  const [, code = ""] = /code=([^&]*)/.exec(first.back) ?? [];
  expect((await comeBack(second.browser, second.back.replace(/code=[^&]*/, `code=${code}`))).status).toBe(
    400,
  );
  expect((await comeBack(first.browser, `${first.back}&iss=https://evil.example`)).status).toBe(400);
  const third = await lead();
  expect((await comeBack(third.browser, `${third.back}&code=1`)).status).toBe(400);
  for (const id of ["4711", null, 1.5, -1]) {
    github.user = { ...ADA, id };
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect([id, (await signIn()).answered]).toEqual([id, 503]);
  }
  expect(await world.app.log("app")).not.toContain("gho_test");
});
