import type { Logger } from "pino";
import { type Contact, Presence } from "../../log/presence.ts";
import { LATE, within } from "./within.ts";

/** What every connection is made with. */
export interface GuardOptions {
  /** What it is for, such as "cache": the log says so. */
  readonly name: string;
  readonly log: Logger;
  /** What all connections of the process share. @default one of its own */
  readonly presence?: Presence | undefined;
  /**
   * How long a command waits for its answer while the server answers nothing at all, in ms; four times as long while it
   * stands in line. The making of the connection has the same time. @default 250
   */
  readonly timeoutMs?: number;
}

export interface RunOptions {
  /** For commands that may take longer than others, such as those that wait, or carry much. @default that of the connection */
  readonly timeoutMs?: number;
}

/** Told of each new connection, before anything else runs on it: what it throws makes the try to connect fail. */
export type OnConnect<Client> = (client: Client) => unknown;

/** The tries to connect, from the first need to the first success. */
interface Connecting {
  /** Ends with the first of them. */
  readonly first: Promise<void>;
  readonly last: Promise<void>;
}

const TIMEOUT_MS = 250;
/** So many times its own a command waits while Redis answers others. */
const MOST_TIMEOUTS = 4;
const HELD_MS = 50;
export const CONNECT_MS = 2000; // nobody waits for as long: commands fail after their own time
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1000;

/**
 * A connection to a server, made when it is first needed, that holds nobody up. While the server is away, whether its
 * process has ended or is frozen, or its host swallows packets, a command fails within `timeoutMs`, and those that come
 * after it at once; meanwhile it tries to connect, and works again as soon as the server does. Each way the log gets one
 * line; see `Presence` in src/log.
 */
export abstract class GuardedConnection<Client extends object> {
  readonly #name: string;
  readonly #presence: Presence;
  readonly #timeoutMs: number;
  readonly #onConnect = new Set<OnConnect<Client>>();
  readonly #onLoss = new Set<() => void>();
  /** Null while there is no connection. */
  #client: Client | null = null;
  #connecting: Connecting | null = null;
  /** Why commands fail at once; null while the server is there, or isn't known to be away. */
  #absence: Error | null = null;
  #isClosed = false;
  #wake: (() => void) | null = null;
  /** When the last answer came. */
  #answeredAt = 0;
  /** Until when a command that may take longer than others is waited for. */
  #busyUntil = 0;

  constructor({ name, log, presence = new Presence(log), timeoutMs = TIMEOUT_MS }: GuardOptions) {
    this.#name = name;
    this.#presence = presence;
    this.#timeoutMs = timeoutMs;
  }

  /** The server as the log calls it: "Redis". */
  protected abstract get product(): string;

  /** Where it is, for the log: without credentials. */
  protected abstract get address(): string;

  /** Loads what connections are made with, which is no fault of the server. */
  protected abstract load(): Promise<void>;

  /** Makes a connection that isn't open yet. @param onLoss called when it is lost by itself */
  protected abstract create(onLoss: (client: Client, reason: unknown) => void): Client;

  /** Resolves once the server answers. */
  protected abstract open(client: Client): Promise<void>;

  protected abstract isOpen(client: Client): boolean;

  /** Closes a connection at once: what waits for it fails. */
  protected abstract destroy(client: Client): void;

  /** Returns the error that stands for what the server has answered; null for any other error. */
  protected abstract toReply(error: unknown): Error | null;

  /** Makes the error of a server that is away. */
  protected abstract toUnavailable(reason: string): Error;

  /** Whether commands are sent: not before the first one, and not while the server is away. */
  get isConnected(): boolean {
    return this.#client !== null;
  }

  /**
   * Runs a command, or several at once, which go out together.
   *
   * @throws what `toUnavailable` makes when the server is away, or doesn't answer in time: it may have been carried out
   * @throws what `toReply` makes of what it answers, such as that its memory is full
   */
  run<T>(command: (client: Client) => Promise<T>, options: RunOptions = {}): Promise<T> {
    const { timeoutMs = this.#timeoutMs } = options;
    const client = this.#client;
    if (client !== null) return this.#await(client, command(client), timeoutMs);
    if (this.#absence !== null) return Promise.reject(this.#absence);
    return this.#runOnceConnected(command, timeoutMs);
  }

  /** Connects where nothing has run yet. Resolves once it is connected, however long the server is away, or closed. */
  async whenConnected(): Promise<void> {
    if (this.#client === null && !this.#isClosed) await this.#startConnecting().last;
  }

  /** Calls `listener` with each new connection, at once where there is one. Subscriptions belong there: they end with it. */
  onConnect(listener: OnConnect<Client>): () => void {
    this.#onConnect.add(listener);
    const client = this.#client;
    if (client !== null) {
      void this.#await(client, Promise.resolve(listener(client)), this.#timeoutMs).catch(() => {});
    }
    return () => void this.#onConnect.delete(listener);
  }

  /** Calls `listener` each time that a connection is lost. */
  onLoss(listener: () => void): () => void {
    this.#onLoss.add(listener);
    return () => void this.#onLoss.delete(listener);
  }

  /** Gives the connection up as lost and makes a new one: for who has noticed what a command doesn't, such as a silent subscription. */
  renew(reason: string): void {
    if (this.#client !== null) this.#lose(this.#client, reason);
  }

  /** Ends it: commands under way and to come fail. */
  close(): void {
    this.#isClosed = true;
    this.#absence = this.toUnavailable("the connection was closed");
    this.#wake?.();
    this.#drop();
    this.#presence.leave(this, this.#contact);
  }

  get #contact(): Contact {
    return { product: this.product, server: this.address, name: this.#name };
  }

  async #runOnceConnected<T>(command: (client: Client) => Promise<T>, timeoutMs: number): Promise<T> {
    await this.load();
    const { first } = this.#startConnecting();
    const { promise: late, resolve: giveUp } = Promise.withResolvers<void>();
    const cancel = patiently(timeoutMs, giveUp);
    await Promise.race([first, late]);
    cancel();
    const client = this.#client;
    if (client === null) {
      this.#setAway(`it didn't answer within ${timeoutMs} ms`);
      throw this.#absence ?? this.toUnavailable("the connection was lost at once");
    }
    return await this.#await(client, command(client), timeoutMs);
  }

  #startConnecting(): Connecting {
    if (this.#connecting !== null) return this.#connecting;
    const { promise: first, resolve } = Promise.withResolvers<void>();
    return (this.#connecting = { first, last: this.#connect(resolve) });
  }

  /** Tries until it succeeds, or the connection is closed. */
  async #connect(onFirst: () => void): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#isClosed; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one try after another
        await this.#open();
        break;
      } catch (error) {
        this.#setAway(toReason(error));
      }
      onFirst();
      // Random: what was lost together needn't come back together.
      // oxlint-disable-next-line no-await-in-loop
      await this.#pause(pauseMs * (0.5 + Math.random() / 2));
    }
    onFirst();
    this.#connecting = null;
  }

  async #open(): Promise<void> {
    await this.load();
    const client = this.create((lost, reason) => this.#lose(lost, toReason(reason)));
    try {
      const prepared = this.#prepare(client);
      const limitMs = Math.max(CONNECT_MS, this.#timeoutMs);
      if ((await within(prepared, limitMs)) === LATE) {
        throw new Error(`it didn't answer within ${limitMs} ms`);
      }
      if (!this.isOpen(client) || this.#isClosed) throw new Error("the connection was lost at once");
    } catch (error) {
      this.destroy(client);
      throw error;
    }
    const isBack = this.#absence !== null;
    this.#client = client;
    this.#absence = null;
    this.#busyUntil = 0;
    if (isBack) this.#presence.find(this, this.#contact);
  }

  async #prepare(client: Client): Promise<void> {
    await this.open(client);
    await Promise.all([...this.#onConnect].map((listener) => listener(client)));
  }

  /** Clients' own timeouts don't free a command that was sent. */
  #await<T>(client: Client, answer: Promise<T>, timeoutMs: number): Promise<T> {
    let startedAt = performance.now();
    if (timeoutMs > this.#timeoutMs) this.#busyUntil = Math.max(this.#busyUntil, startedAt + timeoutMs);
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
        this.#answeredAt = performance.now();
        clearTimeout(timer);
      };
      const look = (): void => {
        if (isSettled) return;
        const now = performance.now();
        // Where the event loop was held, the answer waits to be read, or the command to be sent.
        if (now - dueAt > HELD_MS) startedAt = now;
        const silentSince = Math.max(startedAt, this.#answeredAt);
        const leftMs = Math.min(silentSince + timeoutMs, startedAt + MOST_TIMEOUTS * timeoutMs) - now;
        // While others are answered, this one stands in line.
        if (leftMs > 1) {
          timer = wait(leftMs, now);
          return;
        }
        isSettled = true;
        const reason = `it didn't answer within ${Math.round(timeoutMs)} ms`;
        reject(this.toUnavailable(reason));
        // It may be busy with what takes long, rather than away.
        if (now - silentSince >= timeoutMs - 1 && now >= this.#busyUntil) this.#lose(client, reason);
      };
      let dueAt = 0;
      const wait = (ms: number, now: number): NodeJS.Timeout => {
        dueAt = now + ms;
        return setTimeout(() => setImmediate(() => setImmediate(look)), ms);
      };
      let timer = wait(timeoutMs, startedAt);
      answer.then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(this.#toFailure(error));
        },
      );
    });
  }

  #toFailure(error: unknown): Error {
    return this.toReply(error) ?? this.#absence ?? this.toUnavailable(toReason(error));
  }

  #lose(client: Client, reason: string): void {
    if (client !== this.#client) return;
    this.#setAway(reason);
    this.#drop();
    this.#startConnecting();
  }

  #drop(): void {
    const client = this.#client;
    if (client === null) return;
    this.#client = null;
    this.destroy(client);
    for (const listener of this.#onLoss) listener();
  }

  #setAway(reason: string): void {
    if (this.#isClosed || this.#absence !== null) return;
    this.#absence = this.toUnavailable(reason);
    this.#presence.lose(this, this.#contact, reason);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Calls back after a time in which the event loop wasn't held; returns what cancels it. */
function patiently(ms: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout | null = null;
  const start = (): void => {
    const dueAt = performance.now() + ms;
    const look = (): void => {
      if (performance.now() - dueAt > HELD_MS) start();
      else callback();
    };
    timer = setTimeout(() => setImmediate(() => setImmediate(look)), ms);
  };
  start();
  return () => {
    if (timer !== null) clearTimeout(timer);
  };
}

/** Never the address, which may hold a password. */
function toReason(error: unknown): string {
  const { message, code } = error as { message?: unknown; code?: unknown };
  if (code === "ECONNREFUSED") return "it refuses connections";
  return typeof message === "string" && message !== "" ? message : String(code ?? error);
}
