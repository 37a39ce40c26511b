import type { Logger } from "pino";
import { type Certificate, covers, toCertificate } from "../listening/certificate.ts";
import { makeSelfSigned } from "../listening/self-signed.ts";
import type { Instances } from "./instances.ts";
import { type AcmeSettings, makeKey, orderCertificate, OrderError } from "./order.ts";
import { StateFolder } from "./state-folder.ts";

export interface AcmeOptions {
  readonly settings: AcmeSettings;
  /** Absolute path of the folder that all is kept in. */
  readonly folder: string;
  readonly log: Logger;
  /** What instances on several machines share; null for the only one. */
  readonly instances: Instances | null;
}

const MINUTE_MS = 60_000;
const FIRST_RETRY_MS = 5 * MINUTE_MS; // authorities count those that fail: Let's Encrypt lets an hour have five
const LAST_RETRY_MS = 24 * 60 * MINUTE_MS;
const LONGEST_MS = 6 * 60 * MINUTE_MS; // of a timer: clocks are set, and machines sleep
const OTHERS_MS = 15_000; // until it is looked whether another process has got a certificate
const LEAST_MS = 60 * MINUTE_MS; // between two certificates
const SPREAD = 0.1;
const SELF_SIGNED_DAYS = 30;

/** How it stands with the certificate of an authority. */
export interface Standing {
  /** Null where none is there for all domains. */
  readonly certificate: Certificate | null;
  /** Why the last one that was asked for wasn't given; null where it was, or none was asked for. */
  readonly problem: string | null;
}

/** Tells how it stands with the certificate, by what a server has kept; nothing is asked or made. */
export async function readStanding({
  settings,
  folder,
}: Pick<AcmeOptions, "settings" | "folder">): Promise<Standing> {
  const state = StateFolder.at(folder);
  const [pem, attempts] = await Promise.all([state.readCertificate(), state.readAttempts()]);
  const kept = toUsable(pem);
  const isIssued = kept !== null && !kept.isSelfSigned && !lacks(kept, settings);
  return {
    certificate: isIssued ? kept : null,
    problem: attempts?.about === toAbout(settings) ? attempts.problem : null,
  };
}

/**
 * Keeps a certificate that an authority issues by itself (RFC 8555): gets the first, and another one when a third of its life is
 * left. What fails is tried again, later each time, also by a process that is started anew; the certificate that there is
 * stays. Until there is one, the server shows one that it has made itself. Of several processes one asks, and all have it.
 */
export class Acme {
  readonly #options: AcmeOptions;
  readonly #state: StateFolder;
  /** Not all instances at once. */
  readonly #spread = 1 + Math.random() * SPREAD;
  #timer: Timer | null = null;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  private constructor(options: AcmeOptions, state: StateFolder) {
    this.#options = options;
    this.#state = state;
  }

  /** Makes sure that there is a certificate, if one of its own. */
  static async open(options: AcmeOptions): Promise<Acme> {
    const acme = new Acme(options, await StateFolder.open(options.folder));
    // One of an authority for other domains is better than none.
    const kept = toUsable(await acme.#state.readCertificate());
    if (
      kept === null ||
      (kept.isSelfSigned && (lacks(kept, options.settings) || kept.expiresAt.getTime() < Date.now()))
    ) {
      const { cert, key } = await makeSelfSigned(options.settings.domains, { days: SELF_SIGNED_DAYS });
      await acme.#state.writeCertificate(cert + key);
    }
    return acme;
  }

  /** The file of the certificate and its key. */
  get file(): string {
    return this.#state.certificateFile;
  }

  start(): void {
    this.#schedule(0);
  }

  /** Tries again what has failed, unless the authority has said when: now, or as soon as what is under way has failed too. */
  retry(): void {
    this.#enqueue(async () => {
      const attempts = await this.#state.readAttempts();
      if (attempts !== null)
        await this.#state.writeAttempts({ ...attempts, next_at: attempts.limited_until });
      return 0;
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer ?? undefined);
    this.#options.instances?.close();
  }

  /** What the authority is answered for a token; null where none of that name is under way. */
  async answerChallenge(token: string): Promise<string | null> {
    return (
      (await this.#state.readChallenge(token)) ??
      (await this.#options.instances?.readChallenge(token)) ??
      null
    );
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer ?? undefined);
    if (this.#isStopped) return;
    this.#timer = setTimeout(
      () => this.#enqueue(() => this.#look()),
      Math.min(Math.max(ms, 0), LONGEST_MS),
    ).unref();
  }

  /** Runs what returns when to look again, in ms, once all before it has ended: none changes what another goes by. */
  #enqueue(work: () => Promise<number>): void {
    this.#running = this.#running.then(async () => {
      try {
        this.#schedule(await work());
      } catch (error) {
        this.#options.log.error({ err: error }, "the certificate can't be renewed");
        this.#schedule(FIRST_RETRY_MS);
      }
    });
  }

  /** Gets a certificate if it is time to; returns when to look again, in ms. */
  async #look(): Promise<number> {
    const now = Date.now();
    const attempts = await this.#attempts();
    const dueInMs = this.#dueAt(await this.#current()) - now;
    if (dueInMs > 0) return dueInMs;
    if (await this.#takeOthers()) return 0;
    const waitMs = (attempts?.next_at ?? 0) - now;
    if (waitMs > 0) return this.#options.instances === null ? waitMs : Math.min(waitMs, OTHERS_MS);
    const leave = await this.#take();
    if (leave === null) return OTHERS_MS;
    try {
      // Another process may have got one meanwhile.
      if (this.#dueAt(await this.#current()) <= now) await this.#order(attempts?.failures ?? 0);
    } finally {
      await leave();
    }
    return 0;
  }

  async #order(failures: number): Promise<void> {
    const { settings, log, instances } = this.#options;
    const { domains, directory } = settings;
    log.info({ domains, directory }, `asking for a certificate for ${domains.join(", ")}`);
    try {
      const accountKey = await this.#state.accountKey(settings, makeKey);
      const { cert, key } = await orderCertificate({
        settings,
        accountKey,
        addChallenge: async (token, text) => {
          await Promise.all([this.#state.addChallenge(token, text), instances?.addChallenge(token, text)]);
        },
        removeChallenge: (token) => this.#state.removeChallenge(token),
      });
      const pem = `${cert.trimEnd()}\n${key}`;
      const { expiresAt } = this.#assertAsked(pem);
      await instances?.writeCertificate(pem);
      await this.#state.writeCertificate(pem);
      // Where the clock is wrong, it may be as good as over: it isn't asked for again and again.
      const limitedUntil = Date.now() + LEAST_MS;
      await this.#state.writeAttempts({
        about: this.#about,
        failures: 0,
        next_at: limitedUntil,
        limited_until: limitedUntil,
        problem: null,
      });
      log.info({ domains, expires_at: expiresAt }, `there is a certificate until ${expiresAt.toISOString()}`);
    } catch (error) {
      const retryAfterMs = error instanceof OrderError ? error.retryAfterMs : 0;
      const backoffMs = Math.min(FIRST_RETRY_MS * 2 ** failures, LAST_RETRY_MS) * this.#spread;
      const limitedUntil = Date.now() + retryAfterMs;
      const nextAt = Math.max(Date.now() + backoffMs, limitedUntil);
      const problem = error instanceof Error ? error.message : String(error);
      await this.#state.writeAttempts({
        about: this.#about,
        failures: failures + 1,
        next_at: nextAt,
        limited_until: limitedUntil,
        problem,
      });
      log.error(
        { domains, directory },
        `no certificate for ${domains.join(", ")}: ${problem}. The authority asks port 80 of each domain, which must lead to ` +
          `server.tls.redirect_port of this server. Tried again at ${new Date(nextAt).toISOString()}, or upon SIGHUP`,
      );
    }
  }

  /** The certificate that there is must not give way to one of no use. @throws Error that says what is wrong with it */
  #assertAsked(pem: string): Certificate {
    const issued = toUsable(pem);
    if (issued === null)
      throw new Error("what the authority has sent is no certificate of the key that it was sent");
    if (!lacks(issued, this.#options.settings)) return issued;
    throw new Error(`the authority has issued one for ${issued.names.join(", ") || "no name"} instead`);
  }

  /** Takes the certificate that another instance has got, if it is better than this one's. */
  async #takeOthers(): Promise<boolean> {
    const pem = (await this.#options.instances?.readCertificate()) ?? null;
    if (pem === null) return false;
    const found = toUsable(pem);
    if (found === null || lacks(found, this.#options.settings) || this.#dueAt(found) <= Date.now())
      return false;
    await this.#state.writeCertificate(pem);
    return true;
  }

  /** Returns what lets others ask, null where another does. */
  async #take(): Promise<(() => Promise<void>) | null> {
    const { instances } = this.#options;
    const leave = instances === null ? "unknown" : await instances.take();
    return leave === "unknown" ? this.#state.take() : leave;
  }

  /** The certificate in the folder; null where there is none for all domains. */
  async #current(): Promise<Certificate | null> {
    const kept = toUsable(await this.#state.readCertificate());
    return kept === null || lacks(kept, this.#options.settings) ? null : kept;
  }

  /** When it is time for another one, in milliseconds since 1970. */
  #dueAt(certificate: Certificate | null): number {
    if (certificate === null || certificate.isSelfSigned) return 0;
    const [from, until] = [certificate.issuedAt.getTime(), certificate.expiresAt.getTime()];
    return until - ((until - from) / 3) * this.#spread;
  }

  async #attempts() {
    const attempts = await this.#state.readAttempts();
    return attempts?.about === this.#about ? attempts : null;
  }

  get #about(): string {
    return toAbout(this.#options.settings);
  }
}

/** Whether a certificate isn't for all domains. */
function lacks({ names }: Certificate, { domains }: AcmeSettings): boolean {
  return !domains.every((domain) => names.some((name) => covers(name, domain)));
}

function toAbout({ directory, domains, email }: AcmeSettings): string {
  return [directory, email, ...domains].join(" ");
}

function toUsable(pem: string | null): Certificate | null {
  try {
    return pem === null ? null : toCertificate({ cert: pem, key: pem });
  } catch {
    return null;
  }
}
