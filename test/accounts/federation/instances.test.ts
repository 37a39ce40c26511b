import { expect } from "bun:test";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { TestApp } from "../../setup.ts";
import { CookieJar, SECURITY } from "../browser/browser.ts";
import { CLIENT_ID } from "./issuer.ts";
import { HostileIssuer } from "./hostile-issuer.ts";
import { comeBack } from "./world.ts";

const EVENTS = { "http://schemas.openid.net/event/backchannel-logout": {} };

for (const dialect of ["postgres", "mysql"] as const) {
  testWithServer(
    dialect,
    `a way that is begun at one instance ends at another, once, and sessions end at all (${dialect})`,
    120_000,
    async () => {
      await using issuer = await HostileIssuer.start();
      await using database = await createTestDatabase(dialect);
      const roles = [{ claim: "groups", value: "bosses", role: "admin" }];
      const acme = { issuer: issuer.url, client_id: CLIENT_ID, provisioning: true, roles };
      const config = {
        database: { url: database.url },
        security: { ...SECURITY, jwt_secret_key: "K7mPq2xV9tRw4yZb6nLc8dFg1hJs3kQe" },
        auth: { providers: { acme } },
      };
      await using first = await TestApp.start({ config });
      await using second = await TestApp.start({ config });
      issuer.claims = { groups: ["bosses"], sid: "one" };
      const [here, there] = [new CookieJar(first), new CookieJar(second)];
      const sent = await here.get("/auth/providers/acme/start");
      const asked = new URL(sent.headers.get("location") ?? "").searchParams;
      issuer.nonce = asked.get("nonce") ?? "";
      const answer = { code: "1", state: asked.get("state") ?? "", iss: issuer.url };
      const back = `/auth/providers/acme/callback?${new URLSearchParams(answer).toString()}`;
      const flow = here.given.at(-1)?.split(";")[0] ?? "";
      // Of both at once, one is taken.
      const answers = await Promise.all(
        [here, there].map((browser) => browser.get(back, { headers: { cookie: flow } })),
      );
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([303, 400]);
      const [entered, other] = answers[0]?.status === 303 ? [here, first] : [there, second];
      const app = other === first ? second : first;
      const me = await (await entered.fetch("/auth/me")).json();
      expect(me).toMatchObject({ email: "ada@example.com", roles: ["admin", "user"] });
      const cookie = entered.cookie;
      expect((await app.fetch("/auth/me", { headers: { cookie } })).status).toBe(200);

      const logout_token = await issuer.sign({ ...issuer.toClaims(), jti: "1", events: EVENTS, sid: "one" });
      const body = new URLSearchParams({ logout_token });
      const tokens = await Promise.all(
        [first, second].map((one) =>
          one.fetch("/auth/providers/acme/backchannel_logout", { method: "POST", body }),
        ),
      );
      expect(tokens.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400]);
      for (const one of [first, second]) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        expect((await one.fetch("/auth/me", { headers: { cookie } })).status).toBe(401);
      }
      expect((await comeBack(entered, back)).status).toBe(400);
    },
  );
}
