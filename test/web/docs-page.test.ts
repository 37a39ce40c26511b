import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateOtpCode } from "../../src/accounts/two-factor/codes.ts";
import { BrowserPage } from "../browser.ts";
import { CHROMIUM, testWithProgram } from "../programs.ts";
import { plugin, TestApp } from "../setup.ts";

const assets: [string, string][] = [
  ["/docs", "text/html;charset=utf-8"],
  ["/docs/swagger-ui.css", "text/css;charset=utf-8"],
  ["/docs/swagger-ui.js", "text/javascript;charset=utf-8"],
  ["/docs/start.js", "text/javascript;charset=utf-8"],
];

test("docsRoutes() serves everything that the page needs, with the right types", async () => {
  await using app = await TestApp.start();
  for (const [path, type] of assets) {
    const response = await app.fetch(path);
    expect([path, response.status, response.headers.get("content-type")]).toEqual([path, 200, type]);
    expect((await response.text()).length).toBeGreaterThan(100);
  }
  const page = await (await app.fetch("/docs")).text();
  const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = ""]) => link);
  const paths = links.filter((link) => !link.startsWith("data:")).map((link) => `/${link}`);
  expect(paths.toSorted()).toEqual([
    "/docs/start.js",
    "/docs/swagger-ui.css",
    "/docs/swagger-ui.js",
    "/openapi.json",
  ]);
});

test("docsRoutes() keeps no token in the browser beyond the page", async () => {
  await using app = await TestApp.start();
  expect(await (await app.fetch("/docs/start.js")).text()).not.toContain("persistAuthorization");
});

test.each([
  ["", false],
  ["gzip", true],
  ["br, GZIP;q=0.5", true],
  ["gzip;q=0, *", false],
  ["gzip; q=0.0", false],
  ["*", true],
  ["identity, br", false],
])("docsRoutes() compresses its files as Accept-Encoding says: %p", async (accepted, isCompressed) => {
  await using app = await TestApp.start();
  const sources = ["swagger-ui-dist/swagger-ui.css", "swagger-ui-dist/swagger-ui-bundle.js"];
  for (const [index, path] of ["/docs/swagger-ui.css", "/docs/swagger-ui.js"].entries()) {
    const response = await fetch(app.url + path, {
      headers: { "accept-encoding": accepted },
      decompress: false,
    });
    expect(response.headers.get("vary")).toBe("accept-encoding");
    expect(response.headers.get("content-encoding")).toBe(isCompressed ? "gzip" : null);
    const body = await response.bytes();
    const source = Bun.file(Bun.resolveSync(sources[index] ?? "", import.meta.dir));
    expect(Bun.SHA256.hash(isCompressed ? Bun.gunzipSync(body) : body, "hex")).toBe(
      Bun.SHA256.hash(await source.bytes(), "hex"),
    );
  }
});

test("docsRoutes() lets the page load nothing from elsewhere", async () => {
  await using app = await TestApp.start();
  for (const path of ["/", "/docs"]) {
    const policy = (await app.fetch(path)).headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/https?:|\*|unsafe/);
  }
});

test("docsRoutes() leads /docs/ to /docs, whose links are relative", async () => {
  await using app = await TestApp.start();
  const response = await app.fetch("/docs/", { redirect: "manual" });
  expect([response.status, response.headers.get("location")]).toEqual([308, "../docs"]);
  expect(new URL(response.headers.get("location") ?? "", `${app.url}/docs/`).pathname).toBe("/docs");
});

test("docsRoutes() shows the application's name, escaped", async () => {
  await using app = await TestApp.start({ config: { app: { name: '<script>alert("x")</script>' } } });
  for (const path of ["/", "/docs"]) {
    const page = await (await app.fetch(path)).text();
    expect(page).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;");
    expect(page).not.toContain("<script>alert");
  }
});

/** What Chromium writes of its network requests. */
interface NetLog {
  readonly events: readonly { readonly params?: { readonly url?: string; readonly initiator?: string } }[];
}

testWithProgram(
  CHROMIUM,
  "the docs page shows a plugin's operations and asks no other machine",
  async (chromium) => {
    await using app = await TestApp.start({
      plugins: plugin(
        "shop",
        '.get("/products/:id", () => 1, { detail: { summary: "One product of the shop" } }).post("/orders", () => 1)',
      ),
    });
    const profile = await mkdtemp(join(tmpdir(), "xcore-chromium-"));
    try {
      const netLog = join(profile, "net-log.json");
      const browser = Bun.spawn(
        [
          chromium,
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
          `--user-data-dir=${profile}`,
          "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
          `--log-net-log=${netLog}`,
          "--virtual-time-budget=20000",
          "--dump-dom",
          `${app.url}/docs`,
        ],
        { stdout: "pipe", stderr: "ignore" },
      );
      const dom = await new Response(browser.stdout).text();
      expect(await browser.exited).toBe(0);
      expect(dom).toContain("One product of the shop");
      expect(dom.replaceAll(/<wbr>|\u200b/g, "")).toContain("/shop/orders");
      expect(dom).not.toMatch(/Failed to load API definition|Unable to render/);

      // Those without the page as their initiator are the browser's own, such as its search for updates.
      const { events } = JSON.parse(await Bun.file(netLog).text()) as NetLog;
      const requests = events.flatMap(({ params }) =>
        params?.url !== undefined && params.initiator === app.url ? params.url : [],
      );
      expect(requests).toContain(`${app.url}/openapi.json`);
      expect(requests).toContain(`${app.url}/docs/swagger-ui.js`);
      expect(requests.filter((url) => !url.startsWith(`${app.url}/`))).toEqual([]);
    } finally {
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);

testWithProgram(
  CHROMIUM,
  "the docs page authorizes with email and password, and says why it can't",
  async (chromium) => {
    await using app = await TestApp.start({
      config: { security: { allow_registration: true, bcrypt_cost: 4 } },
    });
    const [email, password] = ["ada@example.com", "correct horse battery"];
    const send = async (path: string, body: object, token?: string) => {
      const headers = {
        "content-type": "application/json",
        ...(token && { authorization: `Bearer ${token}` }),
      };
      return (await app.fetch(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
    };
    await send("/auth/register", { email, password });
    await send("/auth/register", { email: "otp@example.com", password });
    const { access_token } = await send("/auth/login", { email: "otp@example.com", password });
    const asked = { name: "phone", current_password: password };
    const device = await send("/auth/otp/devices", asked, access_token);
    const code = generateOtpCode(device.secret, Date.now());
    await send(`/auth/otp/devices/${device.id}/confirm`, { code }, access_token);

    await using page = await BrowserPage.open(chromium, `${app.url}/docs`);
    const authorize = async (username: string, typed: string): Promise<void> => {
      await page.type("#oauth_username", username);
      await page.type("#oauth_password", typed);
      await page.click(".auth-container button.authorize");
    };
    await page.click(".auth-wrapper .authorize");
    await page.text("#oauth_username:focus", /^$/);
    await authorize(email, "wrong");
    expect(await page.text(".auth-container .errors", /invalid_grant/)).toContain("is wrong");
    await authorize("otp@example.com", password);
    expect(await page.text(".auth-container .errors", /mfa_required/)).toContain("POST /auth/login/otp");
    await authorize(email, password);
    await page.text(".auth-container h6", /^Authorized$/);
    expect(await page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")).toBe("{}");
    await page.click(".btn-done");

    await page.click("#operations-auth-getAuthMe .opblock-summary-control");
    await page.click("#operations-auth-getAuthMe .try-out__btn");
    await page.click("#operations-auth-getAuthMe .execute");
    const answer = await page.text(
      "#operations-auth-getAuthMe .live-responses-table .highlight-code",
      /email/,
    );
    expect(answer).toContain(email);
  },
  120_000,
);
