import { join } from "node:path";
import { expect, setDefaultTimeout } from "bun:test";
import { testOnDialect } from "../database-servers.ts";
import { MailHost, toMessage } from "./mail-host.ts";
import { MailServer } from "./mail-server.ts";

setDefaultTimeout(120_000);

const COUNT = 300;
const KILLS = 5;
const CONCURRENCY = 4;

testOnDialect(
  "sqlite",
  "no mail is sent twice, and none is lost, though the process is killed five times",
  async ({ driver, url }) => {
    await using server = await MailServer.start();
    await using written = await MailHost.create(driver, {}, { isWorker: false });
    const { mail, host } = written;
    const ids = await host.store.db.transaction((tx) =>
      mail.sendMany(
        Array.from({ length: COUNT }, (_, index) => toMessage(`user-${index}@example.com`)),
        { tx },
      ),
    );
    const file = join(import.meta.dir, "killed-sender.ts");
    for (let kill = 1; kill <= KILLS + 1; kill += 1) {
      const child = Bun.spawn([process.execPath, file, url, String(server.port)], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      if (kill <= KILLS) {
        // oxlint-disable-next-line no-await-in-loop -- one process after another
        await server.taken(Math.floor((COUNT * kill) / (KILLS + 2)));
      } else {
        const outbox = await mail.outbox();
        // oxlint-disable-next-line no-await-in-loop -- the process tells nobody else
        while (await outbox.isAnyOpen()) await Bun.sleep(100);
      }
      child.kill("SIGKILL");
      // oxlint-disable-next-line no-await-in-loop
      await child.exited;
    }
    const taken = server.mails.map(({ parsed }) => parsed.messageId ?? "");
    expect(new Set(taken).size).toBe(taken.length);
    const rows = await (await mail.outbox()).listAll();
    const states = Object.groupBy(rows, ({ state }) => state);
    const sent = states.sent?.map(({ id }) => `<${id}@example.com>`) ?? [];
    const unknown = states.unknown?.map(({ id }) => `<${id}@example.com>`) ?? [];
    expect(sent.length + unknown.length).toBe(ids.length);
    // What is told as sent was taken; of what isn't known, nothing is claimed.
    expect(sent.filter((id) => !taken.includes(id))).toEqual([]);
    expect(taken.filter((id) => !sent.includes(id) && !unknown.includes(id))).toEqual([]);
    expect(unknown.length).toBeLessThanOrEqual(KILLS * CONCURRENCY);
  },
);
