import { expect } from "bun:test";
import { createTestDatabase, testWithServer } from "../database-servers.ts";
import { XcoreServer } from "../cli/xcore-process.ts";
import { TestFolder } from "../setup.ts";
import { SERVERS } from "./ledger.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** A plugin whose setup ends when a server of the test's answers it. */
const holding = (gate: URL) => ({
  "plugins/holding/plugin.json": { name: "holding", version: "1.0.0" },
  "plugins/holding/run.ts": `import { createRouter } from "xcore";
export const setup = () => fetch("${gate.href}");
export default createRouter().get("/", () => "ok");
`,
});

for (const dialect of SERVERS) {
  testWithServer(
    dialect,
    `an outage at the end of the start ends nothing (${dialect})`,
    120_000,
    async () => {
      await using database = await createTestDatabase(dialect);
      await using proxy = await TcpProxy.before(database.url);
      const reached = Promise.withResolvers<void>();
      const opened = Promise.withResolvers<Response>();
      using gate = Bun.serve({ port: 0, fetch: () => (reached.resolve(), opened.promise) });
      await using folder = await TestFolder.create(holding(gate.url));
      const env = { DATABASE_URL: proxy.through(database.url) };
      await using server = XcoreServer.spawn(folder, { env });
      await reached.promise;
      await proxy.cut();
      opened.resolve(new Response());
      const [, url = ""] = await server.waitFor(/"msg":"listening on (http[^"]+)"/);
      await server.waitFor(/it isn't known whether there is an administrator yet: asked again in 1 s/);
      expect(await (await fetch(`${url}/holding`)).text()).toBe("ok");
      await proxy.listen();
      await server.waitFor(/There is no administrator yet/);
      server.kill("SIGTERM");
      expect(await server.exited).toBe(0);
    },
  );
}
