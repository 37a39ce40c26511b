import { join } from "node:path";
import type { Driver } from "../../src/db/contract/driver.ts";
import type { MailState } from "../../src/db/schema/core-tables.ts";
import { MailHost, toMessage } from "./mail-host.ts";
import { MailServer } from "./mail-server.ts";

export interface MailKillsOptions {
  readonly driver: Driver;
  readonly url: string;
  /** Mails, of one transaction. */
  readonly count: number;
  readonly kills: number;
}

export interface MailKillsReport {
  /** How long it took to write them down, in ms. */
  readonly queuedMs: number;
  /** How many mails the server has taken more than once. */
  readonly twice: number;
  /** How many it has taken that are told as neither sent nor unknown, or not taken that are told as sent. */
  readonly untrue: number;
  readonly states: Readonly<Partial<Record<MailState, number>>>;
}

/** How many a process hands over at once. */
export const AT_ONCE = 4;
const SENDER = join(import.meta.dir, "killed-sender.ts");

/** Has a process send mails, and kills it again and again in the middle of them; then lets one finish. */
export async function killWhileSending({
  driver,
  url,
  count,
  kills,
}: MailKillsOptions): Promise<MailKillsReport> {
  await using server = await MailServer.start();
  await using written = await MailHost.create(driver, {}, { isWorker: false });
  const { mail, host } = written;
  const messages = Array.from({ length: count }, (_, index) => toMessage(`user-${index}@example.com`));
  const begun = performance.now();
  await host.store.db.transaction((tx) => mail.sendMany(messages, { tx }));
  const queuedMs = performance.now() - begun;
  const outbox = await mail.outbox();
  for (let kill = 1; kill <= kills + 1; kill += 1) {
    const args = [url, String(server.port), String(AT_ONCE)];
    const child = Bun.spawn([process.execPath, SENDER, ...args], { stdio: ["ignore", "ignore", "inherit"] });
    // oxlint-disable-next-line no-await-in-loop -- one process after another
    if (kill <= kills) await server.taken(Math.floor((count * kill) / (kills + 2)));
    // oxlint-disable-next-line no-await-in-loop -- the process tells nobody else
    else while (await outbox.isAnyOpen()) await Bun.sleep(100);
    child.kill("SIGKILL");
    // oxlint-disable-next-line no-await-in-loop
    await child.exited;
  }
  const taken = server.mails.map(({ parsed }) => parsed.messageId ?? "");
  const rows = await outbox.listAll();
  const idsOf = (wanted: MailState): string[] =>
    rows.filter(({ state }) => state === wanted).map(({ id }) => `<${id}@example.com>`);
  const [sent, known] = [new Set(idsOf("sent")), new Set([...idsOf("sent"), ...idsOf("unknown")])];
  const told = new Set(taken);
  const counts = Object.entries(Object.groupBy(rows, ({ state }) => state));
  return {
    queuedMs,
    twice: taken.length - told.size,
    untrue: [...told].filter((id) => !known.has(id)).length + [...sent].filter((id) => !told.has(id)).length,
    states: Object.fromEntries(counts.map(([state, of]) => [state, of.length])),
  };
}
