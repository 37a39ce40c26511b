/**
 * Run in a process of its own, which is killed while it enqueues: `bun killed-enqueuer.ts <url> <url of Redis>`. Each
 * transaction inserts a role of a number and enqueues a job with it; every third is rolled back.
 */
import pino from "pino";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { openDatabase } from "../../src/db/open.ts";
import { JobHost } from "./job-host.ts";

const [url = "", redisUrl = ""] = process.argv.slice(2);
const driver = await openDatabase({
  url: parseDatabaseUrl(url, "/"),
  poolSize: 5,
  echo: false,
  log: pino({ level: "silent" }),
});
const host = await JobHost.create(driver, { leaseMs: 300, redis: { url: redisUrl, appName: "test" } });
const { db, tables } = host.store;
const definition = host.prepare("work", () => {});
const queue = await host.jobs.queue();
for (let number = 0; ; number += 1) {
  // oxlint-disable-next-line no-await-in-loop -- until it is killed
  await db
    .transaction(async (tx) => {
      await tx.insert(tables.roles).values({ name: `role_${number}` });
      await queue.enqueue({ definition, payload: number }, tx);
      if (number % 3 === 2) throw new Error("rolled back");
    })
    .catch(() => {});
  process.stdout.write(`${number}\n`);
}
