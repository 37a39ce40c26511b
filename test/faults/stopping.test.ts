import { expect } from "bun:test";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { XcoreServer } from "../cli/xcore-process.ts";
import { TestFolder } from "../setup.ts";
import { SERVERS } from "./ledger.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** A plugin with a request whose statement is never answered. */
const ASKING = {
  "plugins/asking/plugin.json": { name: "asking", version: "1.0.0" },
  "plugins/asking/run.ts": `import { createRouter, db, log } from "xcore";
import { sql } from "drizzle-orm";
export default createRouter().get("/", () => (log.info("asking"), db.execute(sql\`select 1 as asked\`)));
`,
};

for (const dialect of SERVERS) {
  testWithServer(dialect, `a silent database holds no stop up (${dialect})`, 120_000, async () => {
    await using database = await createTestDatabase(dialect);
    await using proxy = await TcpProxy.before(database.url);
    await using folder = await TestFolder.create({
      ...ASKING,
      "config.json": { server: { port: 0, shutdown_timeout: 2 } },
    });
    const env = { DATABASE_URL: proxy.through(database.url) };
    await using server = await XcoreServer.start(folder, { args: ["serve"], env });
    proxy.vanish({ alsoNew: true });
    const answer = server.fetch("/asking").catch(() => "cut off");
    await server.waitFor(/"asking"/);
    const startedAt = performance.now();
    server.kill("SIGTERM");
    await server.exited;
    expect(performance.now() - startedAt).toBeLessThan(4000); // less than twice that
    expect(server.output).toMatch(/"msg":"stopped"/);
    expect(await answer).toBe("cut off");
  });
}
