import { expect } from "bun:test";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { CHROMIUM, testWithProgram } from "../../programs.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CookieJar, PASSWORD, SECURITY } from "./browser.ts";

const PAGE = `<!doctype html><title>Shop</title><link rel="icon" href="data:,"><h1>Shop</h1>`;
const ROUTER = `
  .get("/", () => new Response(PAGE, { headers: { "content-type": "text/html" } }), { auth: true })
  .ws("/socket", { auth: true, open(ws) { ws.send(ws.data.user.email); }, message(ws, text) { ws.send(text); } })
  .get("/events", async function* ({ user }) { yield sse(user.email); await new Promise(() => {}); }, { auth: true })
  .post("/orders", ({ user }) => ({ by: user.email }), { auth: true })`;
const EMAIL = "ada@example.com";

/** An app with somebody who may sign in, and Chromium. */
async function start(path: string) {
  const files = plugin("shop", ROUTER);
  const code = `import { sse } from "elysia";\nconst PAGE = ${JSON.stringify(PAGE)};\n${files["shop/run.ts"] as string}`;
  const app = await TestApp.start({
    plugins: { ...files, "shop/run.ts": code },
    config: { security: SECURITY },
  });
  const jar = new CookieJar(app);
  await jar.register(EMAIL);
  const browser = await chromium.launch({ executablePath: path, args: ["--no-sandbox"] });
  const problems: string[] = [];
  const open = async (options: { javaScriptEnabled?: boolean } = {}): Promise<[BrowserContext, Page]> => {
    const context = await browser.newContext({ baseURL: app.url, ...options });
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(app.url)) problems.push(request.url());
    });
    return [context, page];
  };
  return {
    app,
    jar,
    open,
    problems,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await app[Symbol.asyncDispose]();
    },
  };
}

/** The cookie of the session. */
async function sessionOf(context: BrowserContext) {
  return (await context.cookies()).find(({ name }) => name === "xcore_session");
}

/** What a WebSocket, a stream and a request of a page are told. */
const ASK = `(async () => {
  const socket = new WebSocket("/shop/socket");
  const said = await new Promise((resolve, reject) => { socket.onmessage = ({ data }) => resolve(data); socket.onclose = reject; });
  const stream = new EventSource("/shop/events");
  const event = await new Promise((resolve, reject) => { stream.onmessage = ({ data }) => resolve(data); stream.onerror = reject; });
  const order = await (await fetch("/shop/orders", { method: "POST" })).json();
  window.ended = new Promise((resolve) => { socket.onclose = ({ code }) => resolve(code); });
  return [said, event, order.by, document.cookie];
})()`;

testWithProgram(
  CHROMIUM,
  "somebody signs in with the keyboard, uses pages, sockets and streams, and signs out",
  async (path) => {
    await using world = await start(path);
    const [context, page] = await world.open();
    await page.goto("/shop/");
    expect(new URL(page.url()).pathname).toBe("/auth/login");
    await page.waitForSelector("#field-username:focus");
    await page.keyboard.type(EMAIL);
    await page.keyboard.press("Tab");
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=alert]");
    await page.waitForSelector("#field-username:focus");
    expect(await page.inputValue("#field-username")).toBe(EMAIL);
    await page.keyboard.press("Tab");
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/shop/");
    expect(await page.evaluate(ASK)).toEqual([EMAIL, EMAIL, EMAIL, ""]);
    expect(await sessionOf(context)).toMatchObject({
      name: "xcore_session",
      httpOnly: true,
      sameSite: "Lax",
      path: "/",
    });

    const other = await context.newPage();
    await other.goto("/auth/logout");
    await other.waitForSelector("button:focus");
    await other.keyboard.press("Enter");
    await other.waitForURL("**/auth/login");
    expect(await page.evaluate("window.ended")).toBe(1008);
    // What is left tells that an account was signed in to here, and not which.
    expect((await context.cookies()).map(({ name }) => name)).toEqual(["xcore_devices"]);
    await page.reload();
    expect(new URL(page.url()).pathname).toBe("/auth/login");
    // The answer 401 to a wrong password is told on the console of any browser.
    expect(world.problems.filter((text) => !text.includes("401"))).toEqual([]);
  },
  120_000,
);

testWithProgram(
  CHROMIUM,
  "without JavaScript somebody signs in with two factors, and out",
  async (path) => {
    await using world = await start(path);
    await world.jar.signIn(EMAIL);
    const codeOf = await world.jar.enrol();
    const [context, page] = await world.open({ javaScriptEnabled: false });
    await page.goto("/auth/login?next=/shop/");
    await page.fill("#field-username", EMAIL);
    await page.fill("#field-password", PASSWORD);
    await page.click("button");
    await page.fill("#field-code", codeOf(1));
    await page.click("button");
    await page.waitForURL("**/shop/");
    expect(await page.textContent("h1")).toBe("Shop");
    await page.goto("/auth/logout?next=/shop/");
    await page.click("button");
    await page.waitForURL("**/auth/login");
    // What is left tells that an account was signed in to here, and not which.
    expect((await context.cookies()).map(({ name }) => name)).toEqual(["xcore_devices"]);
    expect(world.problems).toEqual([]);
  },
  120_000,
);

testWithProgram(
  CHROMIUM,
  "pages of another site do nothing in the name of who is signed in",
  async (path) => {
    await using world = await start(path);
    const [context, page] = await world.open();
    await page.goto("/auth/login?next=/shop/");
    await page.fill("#field-username", EMAIL);
    await page.fill("#field-password", PASSWORD);
    await page.click("button");
    await page.waitForURL("**/shop/");
    const before = await sessionOf(context);
    // "localhost" is another site than 127.0.0.1, another port of it the same site and another origin.
    using evil = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () =>
        new Response(
          `<form method="post" action="${world.app.url}/auth/logout"><button>Win</button></form>
           <form id="in" method="post" action="${world.app.url}/auth/login"><input name="username" value="${EMAIL}"><input name="password" value="${PASSWORD}"></form>`,
          { headers: { "content-type": "text/html" } },
        ),
    });
    for (const host of ["127.0.0.1", "localhost"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const foreign = await context.newPage();
      const at = `http://${host}:${evil.port}/`;
      // oxlint-disable-next-line no-await-in-loop
      await foreign.goto(at);
      const socket = `new Promise((resolve) => { const socket = new WebSocket(${JSON.stringify(`${world.app.url.replace("http", "ws")}/shop/socket`)}); socket.onmessage = () => resolve("open"); socket.onclose = () => resolve("refused"); })`;
      // oxlint-disable-next-line no-await-in-loop
      expect(await foreign.evaluate(socket)).toBe("refused");
      const post = `fetch(${JSON.stringify(`${world.app.url}/shop/orders`)}, { method: "POST", credentials: "include", mode: "no-cors" }).then(() => "sent")`;
      // oxlint-disable-next-line no-await-in-loop
      expect(await foreign.evaluate(post)).toBe("sent");
      for (const selector of ["form button", null]) {
        // oxlint-disable-next-line no-await-in-loop
        await foreign.goto(at);
        const answered = foreign.waitForResponse((response) => response.url().includes("/auth/"));
        // oxlint-disable-next-line no-await-in-loop
        await (selector === null ? foreign.evaluate("document.forms.in.submit()") : foreign.click(selector));
        // oxlint-disable-next-line no-await-in-loop
        expect([401, 403, 303]).toContain((await answered).status());
      }
    }
    expect((await sessionOf(context))?.value).toBe(before?.value ?? "");
    await page.reload();
    expect(await page.textContent("h1")).toBe("Shop");
    const orders = (await world.app.log("access")).match(
      /"method":"POST","path":"\/shop\/orders","status":200/g,
    );
    expect(orders).toBeNull();
  },
  120_000,
);
