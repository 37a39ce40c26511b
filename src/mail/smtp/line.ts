import { once } from "node:events";
import type { Readable } from "node:stream";
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import { MailFailure, toMailFailure } from "./failures.ts";
import type { Target } from "./target.ts";

/** How long a server is waited for, in ms. */
export interface Patience {
  readonly connectMs: number;
  readonly greetingMs: number;
  /** Without a word. Servers look through a mail before they say that they take it. */
  readonly silenceMs: number;
}

const PATIENCE: Patience = { connectMs: 15_000, greetingMs: 15_000, silenceMs: 120_000 };

/** Who a mail is from and to, as the server is told. */
export interface Envelope {
  readonly from: string;
  readonly to: string;
  /** In bytes. */
  readonly size: number;
}

/** A connection with a mail server, over which one mail is handed over after the other. */
export class Line {
  readonly #target: Target;
  readonly #connection: SMTPConnection;
  /** How many have been handed over. */
  sent = 0;
  #error: unknown = null;
  isOpen = true;

  private constructor(target: Target, connection: SMTPConnection) {
    this.#target = target;
    this.#connection = connection;
    connection.on("error", (error: unknown) => {
      this.#error = error;
      this.isOpen = false;
    });
    connection.on("end", () => (this.isOpen = false));
  }

  /** Connects and logs in. @throws MailFailure */
  static async open(
    target: Target,
    { signal, patience = PATIENCE }: { readonly signal?: AbortSignal; readonly patience?: Patience } = {},
  ): Promise<Line> {
    const { default: Connection } = await import("nodemailer/lib/smtp-connection");
    const { host, port, isSecure, requiresTls, login } = target;
    const line = new Line(
      target,
      new Connection({
        host,
        port,
        secure: isSecure,
        requireTLS: requiresTls,
        connectionTimeout: patience.connectMs,
        greetingTimeout: patience.greetingMs,
        socketTimeout: patience.silenceMs,
        socketCloseTimeout: 0,
        tls: { rejectUnauthorized: requiresTls, minVersion: "TLSv1.2" },
      }),
    );
    await line.#run(signal, (done) => line.#connection.connect(done));
    if (login !== null) await line.#run(signal, (done) => line.#connection.login({ ...login }, done));
    return line;
  }

  /** Whether what is said can't be read on the way. */
  get isSecure(): boolean {
    return this.#connection.secure;
  }

  /** Hands a mail over; returns what the server says. @throws MailFailure */
  async send({ from, to, size }: Envelope, message: Readable, signal?: AbortSignal): Promise<string> {
    const { response = "" } = await this.#run<{ response?: string }>(signal, (done) =>
      this.#connection.send({ from, to: [to], size }, message, done),
    );
    this.sent += 1;
    return response;
  }

  /** Says good-bye. */
  async quit(): Promise<void> {
    if (!this.isOpen) return;
    const ended = once(this.#connection, "end");
    this.#connection.quit();
    await Promise.race([ended, Bun.sleep(1000)]);
    this.close();
  }

  /** Lets go of it at once: what hasn't been ended is nothing to the server. */
  close(): void {
    this.isOpen = false;
    this.#connection.close();
  }

  async #run<T>(
    signal: AbortSignal | undefined,
    begin: (done: (error?: Error | null, value?: T) => void) => void,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (error: unknown): void => reject(toMailFailure(error, this.#target));
    const abort = (): void => fail(new MailFailure("The mail isn't sent any more: the try has been ended"));
    const onEnd = (): void =>
      fail(
        this.#error ?? Object.assign(new Error("Connection closed unexpectedly"), { code: "ECONNECTION" }),
      );
    this.#connection.once("error", fail);
    this.#connection.once("end", onEnd);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      if (signal?.aborted === true) abort();
      else if (!this.isOpen) onEnd();
      else begin((error, value) => (error ? fail(error) : resolve(value)));
      return await promise;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      this.#connection.off("error", fail);
      this.#connection.off("end", onEnd);
      signal?.removeEventListener("abort", abort);
    }
  }
}
