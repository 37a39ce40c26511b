import { chmod, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { replaceBytes } from "../../files/replace.ts";
import { sha256 } from "../../files/sha256.ts";
import type { AcmeSettings } from "./order.ts";

/** How asking for a certificate has gone on. */
export interface Attempts {
  /** Of what: another one begins anew. */
  readonly about: string;
  /** That have failed, one after another. */
  readonly failures: number;
  /** Milliseconds since 1970. */
  readonly next_at: number;
  /** Before that the authority wants no other. */
  readonly limited_until: number;
  /** What went wrong last. */
  readonly problem: string | null;
}

const OWNER_ONLY = 0o600;
const LOCK_MS = 15 * 60_000; // longer than any order takes

/** The folder of the account, the certificate and what is under way, which nobody but this user may read. */
export class StateFolder {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<StateFolder> {
    await mkdir(join(folder, "challenges"), { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    return new StateFolder(folder);
  }

  /** The folder to look into, whether it is there or not. */
  static at(folder: string): StateFolder {
    return new StateFolder(folder);
  }

  /** The certificate, those that it was issued by, and its key. */
  get certificateFile(): string {
    return join(this.#folder, "certificate.pem");
  }

  readCertificate(): Promise<string | null> {
    return this.#read("certificate.pem");
  }

  writeCertificate(pem: string): Promise<void> {
    return this.#write("certificate.pem", pem);
  }

  /** The key of the account with an authority, made when it is first asked for. */
  async accountKey({ directory }: AcmeSettings, make: () => Promise<string>): Promise<string> {
    const name = `account-${sha256(directory).slice(0, 12)}.pem`;
    const known = await this.#read(name);
    if (known !== null) return known;
    const made = await make();
    await this.#write(name, made);
    return made;
  }

  async readAttempts(): Promise<Attempts | null> {
    try {
      const found = JSON.parse((await this.#read("attempts.json")) ?? "null") as Attempts | null;
      const numbers = [found?.failures, found?.next_at, found?.limited_until];
      return numbers.every((one) => Number.isFinite(one)) ? found : null;
    } catch {
      return null; // somebody has changed it: it begins anew
    }
  }

  writeAttempts(attempts: Attempts): Promise<void> {
    return this.#write("attempts.json", JSON.stringify(attempts));
  }

  /** @param token base64url, as it becomes a name */
  readChallenge(token: string): Promise<string | null> {
    return this.#read(join("challenges", token));
  }

  addChallenge(token: string, text: string): Promise<void> {
    return this.#write(join("challenges", token), text);
  }

  async removeChallenge(token: string): Promise<void> {
    await rm(join(this.#folder, "challenges", token), { force: true });
  }

  /** Lets one process of this machine ask for a certificate; returns what lets another, null where one does already. */
  async take(): Promise<(() => Promise<void>) | null> {
    const file = join(this.#folder, "order.lock");
    const takenAt = (await stat(file).catch(() => null))?.mtimeMs;
    if (takenAt !== undefined && Date.now() - takenAt > LOCK_MS) await rm(file, { force: true });
    try {
      await (await open(file, "wx", OWNER_ONLY)).close();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return null;
      throw error;
    }
    return () => rm(file, { force: true });
  }

  async #read(name: string): Promise<string | null> {
    try {
      return await readFile(join(this.#folder, name), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  #write(name: string, text: string): Promise<void> {
    return replaceBytes(join(this.#folder, name), Buffer.from(text), OWNER_ONLY);
  }
}
