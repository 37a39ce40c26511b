/**
 * Mail on SQLite with `synchronous=FULL`: how long it takes to write many down in one transaction, each rendered, sealed and with its
 * job, and what killing the process that sends them to a real SMTP server five times comes to.
 *
 *   bun bench/mail.ts [--mails 10000] [--kills 5]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import pino from "pino";
import { parseDatabaseUrl } from "../src/db/contract/database-url.ts";
import { openDatabase } from "../src/db/open.ts";
import { killWhileSending } from "../test/mail/kills.ts";
import { printTable, toMs } from "./report.ts";

const { values } = parseArgs({
  options: { mails: { type: "string", default: "10000" }, kills: { type: "string", default: "5" } },
});
const [count, kills] = [values.mails, values.kills].map(Number) as [number, number];

const folder = await mkdtemp(join(tmpdir(), "xcore-bench-"));
try {
  const url = `sqlite:${join(folder, "mail.db")}`;
  const log = pino({ level: "silent" });
  const driver = await openDatabase({ url: parseDatabaseUrl(url, "/"), poolSize: 5, echo: false, log });
  try {
    const { queuedMs, twice, untrue, states } = await killWhileSending({ driver, url, count, kills });
    printTable(
      [
        "mails",
        "written down in one transaction",
        "killed",
        "sent twice",
        "told wrongly",
        "sent",
        "unknown",
        "goal",
      ],
      [
        [
          String(count),
          toMs(queuedMs),
          String(kills),
          String(twice),
          String(untrue),
          String(states.sent ?? 0),
          String(states.unknown ?? 0),
          "\u2264 2000 ms, 0 twice",
        ],
      ],
    );
  } finally {
    await driver.close();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
