/** Run in a process of its own, which is killed: `bun killed-sender.ts <url of the database> <port of the mail server> <at once>`. */
import pino from "pino";
import { parseDatabaseUrl } from "../../src/db/contract/database-url.ts";
import { openDatabase } from "../../src/db/open.ts";
import { MailHost } from "./mail-host.ts";

const [url = "", port = "", concurrency] = process.argv.slice(2);
const driver = await openDatabase({
  url: parseDatabaseUrl(url, "/"),
  poolSize: 5,
  echo: false,
  log: pino({ level: "silent" }),
});
const settings = { url: `smtp://127.0.0.1:${port}`, from: "noreply@example.com" };
const { mail } = await MailHost.create(driver, settings, {
  leaseMs: 1000,
  concurrency: Number(concurrency),
});
mail.start();
setInterval(() => {}, 60_000); // a server would be kept by its socket
