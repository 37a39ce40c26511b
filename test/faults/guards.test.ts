import { expect } from "bun:test";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { plugin, TestApp } from "../setup.ts";
import { SERVERS } from "./ledger.ts";
import { TcpProxy } from "./tcp-proxy.ts";

const PLUGINS = plugin("desk", '.get("/", ({ user }) => user.email, { auth: true })');

for (const dialect of SERVERS) {
  const test = (name: string, run: () => Promise<void>): void =>
    testWithServer(dialect, `${name} (${dialect})`, 120_000, run);

  test("guarded routes that need no database answer while it is away, to whom they know", async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    await using app = await TestApp.start({
      plugins: PLUGINS,
      config: { database: { url: proxy.through(database.url), statement_timeout: 3 } },
    });
    const known = await app.createUser("known@x.org");
    const stranger = await app.createUser("stranger@x.org");
    const ask = async (headers: Record<string, string>) => {
      const startedAt = performance.now();
      const response = await app.fetch("/desk", { headers });
      const { status } = response;
      return { status, text: await response.text(), tookMs: performance.now() - startedAt };
    };
    expect((await ask(known.headers)).text).toBe("known@x.org");
    proxy.vanish({ alsoNew: true });
    const first = await Promise.all(Array.from({ length: 20 }, () => ask(known.headers)));
    expect(first.map(({ text }) => text)).toEqual(Array(20).fill("known@x.org"));
    expect(Math.max(...first.map(({ tookMs }) => tookMs))).toBeLessThan(2000);
    // It is known by now that it is away.
    const then = await Promise.all(Array.from({ length: 20 }, () => ask(known.headers)));
    expect(then.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(Math.max(...then.map(({ tookMs }) => tookMs))).toBeLessThan(500);
    expect(await ask(stranger.headers)).toMatchObject({ status: 503 });
    await proxy.cut();
    expect(await ask(known.headers)).toMatchObject({ status: 200 });
    proxy.appear();
    await proxy.listen();
    expect(await ask(stranger.headers)).toMatchObject({ status: 200, text: "stranger@x.org" });
  });

  test("what is known of somebody counts for security.access_cache only, and changes count once it is back", async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    await using app = await TestApp.start({
      plugins: PLUGINS,
      config: { database: { url: proxy.through(database.url) }, security: { access_cache: 1 } },
    });
    const user = await app.createUser("known@x.org");
    const ask = async () => (await app.fetch("/desk", { headers: user.headers })).status;
    expect(await ask()).toBe(200);
    await proxy.cut();
    expect(await ask()).toBe(200);
    const startedAt = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- until its time is over
    while ((await ask()) === 200) expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(await ask()).toBe(503);
    await proxy.listen();
    expect(await ask()).toBe(200);
  });
}
