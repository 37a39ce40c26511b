/** Run in a process of its own, which is killed: `bun killed-worker.ts <url> <concurrency> <lease in ms> [<url of Redis>]`. */
import { writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import pino from "pino";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { openDatabase } from "../../src/db/open.ts";
import { JobHost } from "./job-host.ts";

const [url = "", concurrency, leaseMs, redisUrl = ""] = process.argv.slice(2);
const driver = await openDatabase({
  url: parseDatabaseUrl(url, "/"),
  poolSize: 5,
  echo: false,
  log: pino({ level: "silent" }),
});
const host = await JobHost.create(driver, {
  concurrency: Number(concurrency),
  leaseMs: Number(leaseMs),
  redis: redisUrl === "" ? null : { url: redisUrl, appName: "test" },
});

/** In one write, which no buffer of this process can lose, once its pipe has room. */
async function tell(line: string): Promise<void> {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      await setImmediate();
    }
  }
}

setInterval(() => {}, 60_000); // a server would be kept by its socket

const numbers = new Map<string, number>();
host.hooks.on("job.completed", ({ data }) => tell(`completed ${numbers.get(data.id)}`));
host.define("work", async ({ id, payload }) => {
  numbers.set(id, payload);
  await tell(`started ${payload}`);
  await tell(`ended ${payload}`);
});
