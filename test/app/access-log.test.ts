import { expect, test } from "bun:test";
import { parseLines } from "../log/log-folder.ts";
import { type Files, TestApp } from "../setup.ts";

const SHOP: Files = {
  "shop/plugin.json": { name: "shop", version: "1.0.0" },
  "shop/public/logo.txt": "logo",
  "shop/run.ts": `import { createRouter, hooks } from "xcore";
export default createRouter()
  .get("/", () => ({ open: true }))
  .get("/mine", () => 1, { auth: true })
  .get("/said", () => new Response("12345", { headers: { "content-length": "5" } }))
  .get("/slow", async ({ request }) => {
    const gone = new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    await hooks.emit("shop.waiting", {});
    await gone;
    return 1;
  });
`,
};

function via(address: string): Record<string, string> {
  return { "x-forwarded-for": address };
}

async function readRequests(app: TestApp): Promise<Record<string, unknown>[]> {
  return parseLines(await app.log("access")).filter(({ msg }) => msg === "request");
}

test("access.log says who asked and from where, behind trusted proxies, and how long the answer is where that is known", async () => {
  await using app = await TestApp.start({
    plugins: SHOP,
    config: { server: { trusted_proxies: ["127.0.0.1"] } },
  });
  const user = await app.createUser("ada@example.com");
  await app.fetch("/shop?token=s3cret", { headers: via("198.51.100.4, 203.0.113.9") });
  await app.fetch("/shop/mine", { headers: { ...via("2001:db8::7"), ...user.headers } });
  await app.fetch("/shop/mine", { headers: via('203.0.113.11, "},{"level":"fatal') });
  await app.fetch("/shop/said");
  await app.fetch("/shop/static/logo.txt");
  const cut = new AbortController();
  const slow = Promise.withResolvers<unknown>();
  await app.after("shop.waiting", () => {
    app
      .fetch("/shop/slow", { headers: via("203.0.113.10"), signal: cut.signal })
      .then(slow.reject, slow.resolve);
  });
  cut.abort();
  await slow.promise;
  let lines = await readRequests(app);
  while (lines.length < 6) lines = await readRequests(app);

  const [asked, known, refused, said, file, gone] = lines;
  const nobody = { user_id: null, plugin: "shop" };
  expect(asked).toMatchObject({ path: "/shop", status: 200, ip_address: "203.0.113.9", ...nobody });
  expect(known).toMatchObject({
    path: "/shop/mine",
    status: 200,
    ip_address: "2001:db8::7",
    user_id: user.id,
  });
  expect(refused).toMatchObject({ path: "/shop/mine", status: 401, ip_address: "127.0.0.1", ...nobody });
  expect(said).toMatchObject({ path: "/shop/said", bytes: 5, ip_address: "127.0.0.1" });
  expect(file).toMatchObject({ path: "/shop/static/logo.txt", status: 200 });
  // Bun has forgotten the address of who has gone: it was asked for before.
  expect(gone).toMatchObject({ path: "/shop/slow", ip_address: "203.0.113.10" });
  for (const name of ["app", "access", "manager"] as const)
    expect(await app.log(name)).not.toContain("s3cret");
  expect(await app.log("app")).not.toContain('"status"');

  const { body } = await app.get("/system/logs?file=access&q=203.0.113.10");
  expect(body.items).toMatchObject([{ msg: "request", plugin: "shop", fields: { path: "/shop/slow" } }]);
});

test("access.log believes no header of who isn't a trusted proxy, and has no line of what its level leaves out", async () => {
  await using app = await TestApp.start({ plugins: SHOP, config: { logging: { level: "warn" } } });
  await app.fetch("/shop", { headers: { "x-forwarded-for": "203.0.113.9" } });
  expect(await app.log("access")).toBe("");
  app.app.loggers.setLevel("info");
  await app.fetch("/shop", { headers: { "x-forwarded-for": "203.0.113.9" } });
  expect(await readRequests(app)).toMatchObject([{ path: "/shop", ip_address: "127.0.0.1" }]);
});
