import type { Logger } from "pino";
import { type RedisClient, RedisConnection } from "../../cache/redis/connection.ts";
import { RedisUnavailableError } from "../../cache/redis/errors.ts";
import type { Presence } from "../../log/presence.ts";

export interface InstancesOptions {
  /** Of Redis. */
  readonly url: string;
  /** Of the application: its instances have the same. */
  readonly appName: string;
  readonly log: Logger;
  readonly presence?: Presence;
  /** Encrypts what nobody who reads Redis may know. */
  readonly seal: (text: string) => Promise<string>;
  /** @throws Error for what wasn't sealed by an instance */
  readonly open: (sealed: string) => Promise<string>;
}

const LEASE_MS = 15 * 60_000; // longer than any order takes
const CHALLENGE_SECONDS = 3600;
/** KEYS: lease. ARGV: whose. */
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end";

/**
 * What instances on several machines share of their certificate, in Redis: who asks for it, what the authority is answered by
 * whichever instance it meets, and the certificate itself.
 */
export class Instances {
  readonly #connection: RedisConnection;
  readonly #options: InstancesOptions;
  readonly #prefix: string;

  constructor(options: InstancesOptions) {
    this.#options = options;
    this.#connection = new RedisConnection({ ...options, name: "certificates" });
    this.#prefix = `{${options.appName}:acme}:`;
  }

  /** Lets one instance ask for a certificate; returns what lets another, null where one does, "unknown" without Redis. */
  async take(): Promise<(() => Promise<void>) | null | "unknown"> {
    const key = `${this.#prefix}lease`;
    const owner = crypto.randomUUID();
    const taken = await this.#try((client) =>
      client.sendCommand(["SET", key, owner, "NX", "PX", String(LEASE_MS)]),
    );
    if (taken === undefined) return "unknown";
    if (taken === null) return null;
    return async () => {
      await this.#try((client) => client.eval(RELEASE, { keys: [key], arguments: [owner] }));
    };
  }

  async readChallenge(token: string): Promise<string | null> {
    const text = await this.#try((client) =>
      client.sendCommand(["GET", `${this.#prefix}challenge:${token}`]),
    );
    return typeof text === "string" ? text : null;
  }

  async addChallenge(token: string, text: string): Promise<void> {
    const key = `${this.#prefix}challenge:${token}`;
    await this.#try((client) => client.sendCommand(["SET", key, text, "EX", String(CHALLENGE_SECONDS)]));
  }

  /** The certificate of another instance, with its key; null where there is none that can be read. */
  async readCertificate(): Promise<string | null> {
    const sealed = await this.#try((client) => client.sendCommand(["GET", `${this.#prefix}certificate`]));
    if (typeof sealed !== "string") return null;
    try {
      return await this.#options.open(sealed);
    } catch {
      return null; // of an instance with another secret key, or no instance at all
    }
  }

  async writeCertificate(pem: string): Promise<void> {
    const sealed = await this.#options.seal(pem);
    await this.#try((client) => client.sendCommand(["SET", `${this.#prefix}certificate`, sealed]));
  }

  close(): void {
    this.#connection.close();
  }

  /** Returns undefined where Redis is away, or refuses. */
  async #try(command: (client: RedisClient) => Promise<unknown>): Promise<unknown> {
    try {
      return await this.#connection.run(command);
    } catch (error) {
      if (!(error instanceof RedisUnavailableError)) {
        this.#options.log.warn({ err: error }, "Redis refuses what instances share of their certificate");
      }
      return undefined;
    }
  }
}
