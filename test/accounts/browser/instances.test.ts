import { expect } from "bun:test";
import { createTestDatabase, testWithServer } from "../../database-servers.ts";
import { PrivateServer } from "../../faults/private-server.ts";
import { plugin, TestApp } from "../../setup.ts";
import { CookieJar, placeOf, SECURITY } from "./browser.ts";

const SHOP = plugin(
  "shop",
  `.get("/", ({ user }) => user.email, { auth: true })
  .post("/orders", ({ user }) => ({ by: user.email }), { auth: true })
  .ws("/socket", { auth: true, open(ws) { ws.send(ws.data.user.email); }, message() {} })`,
);
const EMAIL = "ada@example.com";

/** What a WebSocket first says, and the code that it ends with. */
function connect(app: TestApp, path: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(app.url.replace("http", "ws") + path, { headers } as never);
  const said = Promise.withResolvers<string>();
  const ended = Promise.withResolvers<number>();
  socket.addEventListener("message", ({ data }) => said.resolve(String(data)));
  socket.addEventListener("close", ({ code }) => {
    said.resolve("refused");
    ended.resolve(code);
  });
  return { said: said.promise, ended: ended.promise, close: () => socket.close() };
}

testWithServer(
  "postgres",
  "cookies, proofs and tickets of one instance are good at the other, and end at both",
  120_000,
  async () => {
    await using database = await createTestDatabase("postgres");
    await using redis = await PrivateServer.start("redis");
    const security = { ...SECURITY, jwt_secret_key: "K7mPq2xV9tRw4yZb6nLc8dFg1hJs3kQe" };
    const config = { database: { url: database.url }, redis: { url: redis.url }, security };
    await using first = await TestApp.start({ plugins: SHOP, config });
    await using second = await TestApp.start({ plugins: SHOP, config });
    const here = new CookieJar(first);
    const there = new CookieJar(second);
    await here.register(EMAIL);
    await here.signIn(EMAIL);
    there.cookie = here.cookie;
    expect(await (await there.get("/shop/")).text()).toBe(EMAIL);

    const asked = await here.send("POST", "/auth/ticket", {});
    const { ticket } = (await asked.json()) as { ticket: string };
    const uses = [first, second, first, second].map((app) => connect(app, `/shop/socket?ticket=${ticket}`));
    const said = await Promise.all(uses.map((use) => use.said));
    expect(said.toSorted()).toEqual([EMAIL, "refused", "refused", "refused"]);

    const page = await (await here.get("/auth/logout")).text();
    const [, token = ""] = /name="csrf_token" value="([^"]+)"/.exec(page) ?? [];
    const ordered = await there.fetch("/shop/orders", { method: "POST", headers: { "x-csrf-token": token } });
    expect(await ordered.json()).toEqual({ by: EMAIL });

    const socket = connect(second, "/shop/socket", { cookie: there.cookie, origin: second.url });
    expect(await socket.said).toBe(EMAIL);
    const opened = uses[said.indexOf(EMAIL)];
    await here.post("/auth/logout", {});
    expect([await socket.ended, await opened?.ended]).toEqual([1008, 1008]);
    expect(placeOf(await there.get("/shop/"), "/shop/")).toBe("/auth/login?next=%2Fshop%2F");
  },
);
