import { setImmediate } from "node:timers/promises";
import { sql } from "drizzle-orm";
import type { Logger } from "pino";
import { SecretBox } from "../accounts/keys/secret-box.ts";
import type { CoreStore } from "../accounts/people/store.ts";
import type { Config } from "../config/schema.ts";
import { outside } from "../db/transactions/ambient.ts";
import type { HookBus } from "../hooks/bus.ts";
import type { JobContext, JobDefinition } from "../jobs/definition/options.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Templates } from "../templates/templates.ts";
import type { Delivery, Postponement } from "./delivery.ts";
import type { Outbox, Tx } from "./outbox.ts";
import type { MailContent, MailMessage, MailOwner, MailRow } from "./contract/records.ts";

export type { MailMessage, MailOwner } from "./contract/records.ts";

export interface MailOptions {
  readonly store: CoreStore;
  readonly jobs: Jobs;
  readonly hooks: HookBus;
  readonly log: Logger;
  readonly templates: Pick<Templates, "renderMail">;
  readonly settings: () => Config["mail"];
  /** What contents are sealed with. */
  readonly key: Uint8Array;
  /** Where the server is reached from outside, such as "https://erp.example.com". */
  readonly origin: () => string;
  readonly isDebug: () => boolean;
  /** Shows text to whoever started the server, and to no log file. */
  readonly print: (text: string) => void;
  /** Whether mail is sent by this process, and not only written down. */
  readonly isWorker: boolean;
}

/** Makes mails part of a transaction: they are sent if and only if it commits. */
export interface SendOptions {
  readonly tx?: Tx | undefined;
}

const CORE = "core";
/** How often it is looked whether others, or a process before this one, have left mail to be sent. */
const LOOK_MS = 5000;
/** After the start, which has enough to do. */
const FIRST_LOOK_MS = 500;
const UPKEEP_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** How many are rendered in one turn of the event loop. */
const PIECE = 100;
const ANY = sql`select id from mails limit 1`;
const SILENT = "It was being sent, and nothing has been heard of it since";

/**
 * Mail. What is sent is written down first, in the caller's transaction if there is one, with a job that hands it over; nothing
 * is loaded before there is a mail.
 *
 * A mail is never sent twice by itself: before the server may take it, it is noted that it may have. Where the process ends
 * before the answer is noted, nobody knows whether it was taken: such a mail is `unknown`, and sent again only if somebody asks.
 */
export class Mail {
  readonly #options: MailOptions;
  readonly #core: MailOwner;
  readonly #definition: JobDefinition;
  #opening: Promise<{ readonly outbox: Outbox; readonly box: SecretBox }> | null = null;
  #delivering: Promise<Delivery> | null = null;
  #unregister: (() => void) | null = null;
  #first: NodeJS.Timeout | null = null;
  #timer: NodeJS.Timeout | null = null;
  #lookedAfterAt = Number.NEGATIVE_INFINITY;
  #isFailing = false;

  constructor(options: MailOptions) {
    this.#options = options;
    const { store, log, templates } = options;
    this.#core = {
      plugin: CORE,
      render: (template, data, language) => templates.renderMail(template, data, language),
    };
    this.#definition = {
      name: `${CORE}:mail`,
      handler: ({ payload, ...job }) => this.#deliver(payload, job),
      schema: null,
      version: "1",
      // Of what the database refuses: tries of mails are counted by themselves.
      attempts: 10,
      backoffMs: 5000,
      maxBackoffMs: 300_000,
      timeoutMs: 300_000,
      concurrency: null,
      rate: null,
      keyOf: null,
      keepMs: 0,
      owner: { plugin: CORE, db: store.db, log, hold() {} },
    };
  }

  /** Begins to look for mail that is to be sent. */
  start(): void {
    if (!this.#options.isWorker) return;
    outside(() => {
      this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
      this.#first = setTimeout(() => void this.#look(), FIRST_LOOK_MS).unref();
    });
  }

  /** Lets go of connections; jobs that send are waited for with all others. */
  async close(): Promise<void> {
    clearTimeout(this.#first ?? undefined);
    clearInterval(this.#timer ?? undefined);
    this.#timer = null;
    (await this.#delivering?.catch(() => null))?.close();
  }

  /**
   * Sends a mail made from a template of the core, or of the project's; returns its id.
   *
   * @throws AppError validation_error for what is no address, template_not_found, template_failed
   * @throws TypeError, RangeError for a message that can't be
   */
  async send(message: MailMessage, options: SendOptions = {}): Promise<string> {
    const [id] = await this.sendAs(this.#core, [message], options);
    return id as string;
  }

  /** Sends mails, all or none; returns their ids. @throws as `send` */
  sendMany(messages: readonly MailMessage[], options: SendOptions = {}): Promise<string[]> {
    return this.sendAs(this.#core, messages, options);
  }

  /** The same for mails of a plugin. */
  async sendAs(
    owner: MailOwner,
    messages: readonly MailMessage[],
    { tx }: SendOptions = {},
  ): Promise<string[]> {
    if (messages.length === 0) return [];
    const [{ writeDown }, { outbox, box }, queue] = await Promise.all([
      import("./writing.ts"),
      this.#open(),
      this.#options.jobs.queue(),
    ]);
    const origin = this.#options.origin();
    const write = async (inside: Tx): Promise<string[]> => {
      const ids: string[] = [];
      for (let at = 0; at < messages.length; at += PIECE) {
        /* oxlint-disable no-await-in-loop -- one connection, and others may have their turn */
        if (at > 0) await setImmediate();
        const piece = messages.slice(at, at + PIECE);
        ids.push(
          ...(await writeDown(piece, {
            owner,
            outbox,
            box,
            origin,
            tx: inside,
            enqueue: (mails) =>
              queue.enqueueMany(
                mails.map((mail) => ({ definition: this.#definition, payload: { mail } })),
                inside,
              ),
          })),
        );
        /* oxlint-enable no-await-in-loop */
      }
      return ids;
    };
    this.#need();
    return tx === undefined ? this.#options.store.db.transaction(write) : write(tx);
  }

  /** Has a mail sent again, or at once; false where its state doesn't let it. */
  async resend(id: string, from: readonly MailRow["state"][]): Promise<boolean> {
    const { outbox } = await this.#open();
    this.#need();
    return this.#withJob(id, 0, (tx, jobId) => outbox.reopen(tx, id, { from, jobId }));
  }

  /** What a mail says that hasn't been sent; null where that isn't kept. */
  async readContent({ id, content }: Pick<MailRow, "id" | "content">): Promise<MailContent | null> {
    if (content === null) return null;
    const { box } = await this.#open();
    return JSON.parse(await box.open(content, id)) as MailContent;
  }

  /** The mails in the database. */
  async outbox(): Promise<Outbox> {
    return (await this.#open()).outbox;
  }

  /** Has jobs that send run here, once there are any. */
  #need(): void {
    const { jobs, isWorker } = this.#options;
    if (isWorker) this.#unregister ??= jobs.register(this.#definition);
  }

  async #deliver(payload: unknown, job: Pick<JobContext, "id" | "signal">): Promise<void> {
    const id = (payload as { mail?: unknown } | null)?.mail;
    if (typeof id === "string") await (await this.#loadDelivery()).deliver(id, job);
  }

  #loadDelivery(): Promise<Delivery> {
    return (this.#delivering ??= (async () => {
      const [{ Delivery: Loaded }, opened] = await Promise.all([import("./delivery.ts"), this.#open()]);
      return new Loaded({
        ...this.#options,
        ...opened,
        postpone: (mail, next) => this.#postpone(mail, next),
      });
    })());
  }

  async #postpone(mail: MailRow, { inMs, attempts, error }: Postponement): Promise<void> {
    const { outbox } = await this.#open();
    await this.#withJob(mail.id, inMs, (tx, jobId) =>
      outbox.handOver(tx, mail, { job_id: jobId, attempts, error, due_at: new Date(Date.now() + inMs) }),
    );
  }

  /** Gives a mail a job of its own: both are there, or none. */
  async #withJob(
    mail: string,
    inMs: number,
    give: (tx: Tx, jobId: string) => Promise<boolean>,
  ): Promise<boolean> {
    const { store, jobs } = this.#options;
    const queue = await jobs.queue();
    const request = { definition: this.#definition, payload: { mail }, options: { delay: inMs / 1000 } };
    const refused = Symbol("refused");
    try {
      await store.db.transaction(async (tx) => {
        if (!(await give(tx, await queue.enqueue(request, tx)))) throw refused;
      });
      return true;
    } catch (error) {
      if (error === refused) return false;
      throw error;
    }
  }

  #open() {
    return (this.#opening ??= (async () => {
      const { Outbox: Loaded } = await import("./outbox.ts");
      return { outbox: new Loaded(this.#options.store), box: new SecretBox(this.#options.key) };
    })());
  }

  async #look(): Promise<void> {
    try {
      if (await this.#hasAny()) await this.#lookAfter();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing && this.#timer !== null)
        this.#options.log.warn({ err: error }, "it can't be looked for mail now; tried again");
      this.#isFailing = true;
    }
  }

  /** Whether there is any mail: without, nothing is loaded to look after it. */
  async #hasAny(): Promise<boolean> {
    return this.#opening !== null || (await this.#options.store.db.execute(ANY)).length > 0;
  }

  async #lookAfter(): Promise<void> {
    const { outbox } = await this.#open();
    if (this.#unregister === null && (await outbox.isAnyOpen())) this.#need();
    if (performance.now() - this.#lookedAfterAt <= UPKEEP_MS) return;
    this.#lookedAfterAt = performance.now();
    await this.#tidy(outbox);
  }

  /** Deletes what is old, and finds what its job has left. */
  async #tidy(outbox: Outbox): Promise<void> {
    await outbox.purge(new Date(Date.now() - this.#options.settings().keep_days * DAY_MS));
    await outbox.giveUpSilent(SILENT);
    for (const mail of await outbox.listOverdue()) {
      // oxlint-disable-next-line no-await-in-loop -- few, and nobody waits
      await this.#postpone(mail, { inMs: 0, attempts: mail.attempts, error: mail.error });
    }
  }
}
