import type { Logger } from "pino";
import type { SecretBox } from "../accounts/keys/secret-box.ts";
import type { HookBus } from "../hooks/bus.ts";
import type { JobContext } from "../jobs/definition/options.ts";
import type { Config } from "../config/schema.ts";
import type { MailEnd, Outbox } from "./outbox.ts";
import type { MailContent, MailRow } from "./contract/records.ts";
import { MailFailure } from "./smtp/failures.ts";
import { Lines } from "./smtp/lines.ts";
import { composeMessage, toEndingStream } from "./smtp/message.ts";
import { type Target, toTarget } from "./smtp/target.ts";

export interface DeliveryOptions {
  readonly outbox: Outbox;
  readonly box: SecretBox;
  readonly hooks: HookBus;
  readonly log: Logger;
  readonly settings: () => Config["mail"];
  /** Shows text to whoever started the server, and to no log file. */
  readonly print: (text: string) => void;
  readonly isDebug: () => boolean;
  /** Has another job send a mail, later. */
  readonly postpone: (mail: MailRow, next: Postponement) => Promise<void>;
}

/** When a mail is tried again, and why not now. */
export interface Postponement {
  readonly inMs: number;
  readonly attempts: number;
  readonly error: string | null;
}

type Job = Pick<JobContext, "id" | "signal">;

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const FIRST_MS = 30_000;
const LONGEST_MS = 4 * HOUR_MS;
/** About two days. */
const MOST_TRIES = 20;
/** How long a server that was away isn't asked again. */
const AWAY_MS = 10_000;
/** How long it is tried to note that a mail was taken. */
const NOTE_MS = [0, 100, 500, 2000, 8000];
/**
 * By these an owner gets an account back. How many are sent is limited where they are asked for: whoever is in it, and has its owner
 * told of this and that until no more mail goes to them, doesn't keep them out.
 */
const GIVES_BACK = new Set(["core:reset-password", "core:email-changed"]);
const CUT_OFF = "The process ended, or the connection, before the server had said whether it takes the mail";

/** That a try may have a mail taken: noted before a server sees its end, and never twice. */
class Claim {
  readonly #outbox: Outbox;
  readonly #mail: MailRow;
  readonly #most: number | null;
  isMade = false;
  /** Whether the mail isn't this job's to send any more. */
  isRefused = false;
  /** Whether its recipient has had as many meanwhile, by other instances. */
  isFull = false;
  /** What kept it from being noted. */
  error: unknown = null;

  /** @param most how many mails its recipient may have had within the hour; null for any */
  constructor(outbox: Outbox, mail: MailRow, most: number | null) {
    this.#outbox = outbox;
    this.#mail = mail;
    this.#most = most;
  }

  /** @throws Error where the mail may not be ended */
  async make(): Promise<void> {
    try {
      const claimed = await this.#outbox.claim(this.#mail, this.#most);
      this.isMade = claimed === "claimed";
      this.isFull = claimed === "full";
      this.isRefused = claimed === "gone";
    } catch (error) {
      this.error = error;
      throw error;
    }
    if (!this.isMade) throw new Error("The mail isn't to be sent now");
  }
}

/** Hands mails over to a server, one a job. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #lines = new Lines();
  /** How many are on their way to each recipient. */
  readonly #underWay = new Map<string, number>();
  #away: { readonly target: string; readonly until: number; readonly failure: MailFailure } | null = null;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Brings a mail one step further, as far as it belongs to the job. */
  async deliver(id: string, job: Job): Promise<void> {
    const { outbox, settings } = this.#options;
    const mail = await outbox.find(id);
    if (mail === null || mail.job_id !== job.id) return;
    if (mail.state === "sending") {
      // An earlier run of this very job has been cut off.
      await this.#end(mail, { state: "unknown", error: CUT_OFF });
    } else if (mail.state === "waiting") {
      const { recipient } = mail;
      this.#underWay.set(recipient, (this.#underWay.get(recipient) ?? 0) + 1);
      try {
        await this.#try(mail, { job, settings: settings() });
      } finally {
        const left = (this.#underWay.get(recipient) ?? 1) - 1;
        if (left === 0) this.#underWay.delete(recipient);
        else this.#underWay.set(recipient, left);
      }
    }
  }

  close(): void {
    this.#lines.close();
  }

  async #try(mail: MailRow, { job, settings }: { job: Job; settings: Config["mail"] }): Promise<void> {
    if (mail.expires_at !== null && mail.expires_at.getTime() <= Date.now()) {
      await this.#end(mail, { state: "failed", error: "It expired before it could be sent" });
      return;
    }
    if (settings.url === null) {
      await this.#log(mail);
      return;
    }
    const isLimited = !GIVES_BACK.has(`${mail.plugin}:${mail.template}`);
    const most = isLimited ? settings.recipient_per_hour : null;
    if (most !== null && (await this.#waitForOthers(mail, most))) return;
    const claim = new Claim(this.#options.outbox, mail, most);
    let response: string;
    try {
      response = await this.#send(mail, { target: this.#toTarget(settings), claim, signal: job.signal });
    } catch (error) {
      if (claim.isFull && most !== null) await this.#waitForOthers(mail, most, SECOND_MS);
      else await this.#fail(mail, { error, claim, isStopped: job.signal.aborted });
      return;
    }
    await this.#noteSent(mail, response);
  }

  async #send(
    mail: MailRow,
    { target, claim, signal }: { target: Target; claim: Claim; signal: AbortSignal },
  ): Promise<string> {
    const { id, recipient: to, subject, language } = mail;
    const message = await composeMessage({
      id,
      to,
      subject,
      language,
      from: target.from,
      ...(await this.#open(mail)),
    });
    const envelope = { from: target.from.address, to, size: message.length };
    try {
      const response = await this.#lines.send(target, envelope, {
        message: () => toEndingStream(message, () => claim.make()),
        isBegun: () => claim.isMade,
        signal,
      });
      this.#away = null;
      return response;
    } catch (error) {
      if (error instanceof MailFailure && error.isOfServer && !claim.isMade) this.#noteAway(target, error);
      throw error;
    }
  }

  /** What a try that failed comes to. */
  async #fail(
    mail: MailRow,
    { error, claim, isStopped }: { error: unknown; claim: Claim; isStopped: boolean },
  ): Promise<void> {
    if (claim.error !== null) throw claim.error;
    if (claim.isRefused) return;
    const failure = error instanceof MailFailure ? error : null;
    if (claim.isMade && failure?.isAnswer !== true) {
      await this.#end(mail, { state: "unknown", error: CUT_OFF });
      return;
    }
    // It waits as it did: whoever has the job next sends it.
    if (isStopped || failure === null) throw error;
    const attempts = mail.attempts + 1;
    const text = failure.advice === "" ? failure.message : `${failure.message}; ${failure.advice}`;
    if (failure.isPermanent || attempts >= MOST_TRIES) {
      await this.#end(mail, { state: "failed", error: text });
      return;
    }
    const whole = Math.min(FIRST_MS * 2 ** (attempts - 1), LONGEST_MS);
    await this.#options.postpone(mail, {
      inMs: Math.round(whole * (1 - Math.random() / 2)),
      attempts,
      error: text,
    });
    this.#options.log.debug({ mail: mail.id, attempts }, `a mail is tried again: ${failure.message}`);
  }

  async #end(mail: MailRow, end: MailEnd): Promise<void> {
    const { outbox, log, hooks } = this.#options;
    await outbox.end(mail, end);
    const { id, plugin, template, recipient: to, subject } = mail;
    const about = { id, plugin, template, to, subject };
    if (end.state === "sent") {
      void hooks.emit("mail.sent", about);
      return;
    }
    const message = end.error ?? "";
    log.error(
      { mail: id, to, template, plugin },
      `a mail is ${end.state === "unknown" ? "perhaps not sent" : "not sent"}: ${message}`,
    );
    void hooks.emit("mail.failed", { ...about, message, may_be_sent: end.state === "unknown" });
  }

  /** The server has it: that must be noted, or it would be told as unknown. */
  async #noteSent(mail: MailRow, response: string): Promise<void> {
    const end = { state: "sent", response: response.slice(0, 255).toWellFormed() } as const;
    for (const waitMs of NOTE_MS) {
      // oxlint-disable-next-line no-await-in-loop -- one try after the other
      await Bun.sleep(waitMs);
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#end(mail, end);
        return;
      } catch (error) {
        if (waitMs === NOTE_MS.at(-1)) throw error;
      }
    }
  }

  /** Without a server, the log says what would have been sent. Links let somebody in: they are shown on the terminal of development alone. */
  async #log(mail: MailRow): Promise<void> {
    const { outbox, log, isDebug, print } = this.#options;
    await outbox.end(mail, { state: "logged" });
    const { id, recipient: to, subject, template, plugin } = mail;
    log.info(
      { mail: id, to, subject, template, plugin },
      "mail.url isn't set: this mail would have been sent",
    );
    if (isDebug()) print(`To: ${to}\nSubject: ${subject}\n\n${(await this.#open(mail)).text}`);
  }

  async #open({ id, content }: MailRow): Promise<MailContent> {
    if (content === null) throw new MailFailure("What it says isn't kept any more", { isPermanent: true });
    try {
      return JSON.parse(await this.#options.box.open(content, id)) as MailContent;
    } catch {
      throw new MailFailure("What it says can't be read: it was kept with another secret key", {
        isPermanent: true,
      });
    }
  }

  #toTarget(settings: Config["mail"]): Target {
    let target: Target | null;
    try {
      target = toTarget(settings);
    } catch (error) {
      throw new MailFailure((error as Error).message, { isOfServer: true });
    }
    if (target === null) throw new MailFailure("mail.url isn't set", { isOfServer: true });
    const away = this.#away;
    if (away !== null && away.until > Date.now() && away.target === JSON.stringify(target))
      throw away.failure;
    return target;
  }

  #noteAway(target: Target, failure: MailFailure): void {
    const isNews = this.#away === null || this.#away.failure.message !== failure.message;
    this.#away = { target: JSON.stringify(target), until: Date.now() + AWAY_MS, failure };
    if (isNews) this.#options.log.error(`mail waits: ${failure.message}; ${failure.advice}`);
  }

  /** Has a mail wait whose recipient has had as many within the hour; false where it hasn't. @param leastMs that it waits anyway */
  async #waitForOthers(mail: MailRow, most: number, leastMs = 0): Promise<boolean> {
    const waitMs = Math.max(leastMs, await this.#countWait(mail.recipient, most));
    if (waitMs === 0) return false;
    const error = `More than ${most} mails an hour to this address: see mail.recipient_per_hour`;
    await this.#options.postpone(mail, { inMs: waitMs, attempts: mail.attempts, error });
    return true;
  }

  /** How long a recipient is to be left in peace, in ms; 0 for not at all. */
  async #countWait(recipient: string, most: number): Promise<number> {
    const late = await this.#options.outbox.sentOfLate(recipient, most);
    const others = (this.#underWay.get(recipient) ?? 1) - 1;
    if (late.length + others < most) return 0;
    const first = late.at(-1);
    return late.length < most || first === undefined
      ? SECOND_MS
      : Math.max(SECOND_MS, first.getTime() + HOUR_MS - Date.now());
  }
}
