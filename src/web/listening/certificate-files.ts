import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { Logger } from "pino";
import { fail } from "../../errors/codes.ts";
import { isEndless, readTextFile } from "../../files/text.ts";
import { watchFile } from "../../files/watch.ts";
import { type Certificate, describeConcern, isInForce, toCertificate } from "./certificate.ts";

const SETTLE_MS = 250; // what renews a certificate writes two files
const LOOK_MS = 60_000; // what replaces a folder above them is seen no other way
const REMIND_MS = 86_400_000;

export interface CertificateFilesOptions {
  /** Absolute paths; both may be one file. */
  readonly files: { readonly cert: string; readonly key: string };
  /** Host that clients know the server by, null where it isn't configured. */
  readonly host: string | null;
  readonly log: Logger;
  /** How much later than others this process takes a new one, in ms. @default 0 */
  readonly delayMs?: number;
  /** Serves it from now on. */
  readonly onRenewed: (certificate: Certificate) => Promise<void>;
}

/**
 * A certificate in two files that something else renews. What they hold is taken as soon as it can be used; until then, the
 * one before stays, and the log says why.
 */
export class CertificateFiles {
  readonly #options: CertificateFilesOptions;
  #current: Certificate;
  /** What was refused last, so that it is told once. */
  #refused: string | null = null;
  #seen: string;
  #remindedAt = 0;
  #undo: (() => void)[] = [];
  #settling: Timer | null = null;
  #checking: Promise<void> = Promise.resolve();

  /** @throws AppError config_invalid when there is none that a server can use */
  constructor(options: CertificateFilesOptions) {
    this.#options = options;
    this.#seen = this.#stamp();
    this.#current = readCertificate(options.files);
    this.#remind();
    this.#warnOfReaders();
  }

  get current(): Certificate {
    return this.#current;
  }

  /** Takes what the files hold whenever they change from now on. */
  follow(): void {
    const { files, log } = this.#options;
    const onError = (error: Error): void =>
      log.warn({ err: error }, "changes of the certificate are seen late, and at once upon SIGHUP");
    for (const file of new Set(Object.values(files))) {
      this.#undo.push(watchFile(file, { onChange: () => this.#settle(), onError }));
    }
    const timer = setInterval(() => {
      if (this.#stamp() !== this.#seen) this.#settle();
      this.#remind();
    }, LOOK_MS).unref();
    this.#undo.push(() => clearInterval(timer));
  }

  stop(): void {
    for (const undo of this.#undo.splice(0)) undo();
    clearTimeout(this.#settling ?? undefined);
  }

  /** Looks whether the files hold another one, and takes it. */
  check(): Promise<void> {
    this.#checking = this.#checking.then(() => this.#check());
    return this.#checking;
  }

  #settle(): void {
    clearTimeout(this.#settling ?? undefined);
    this.#settling = setTimeout(() => void this.check(), SETTLE_MS + (this.#options.delayMs ?? 0));
  }

  async #check(): Promise<void> {
    const { files, log, onRenewed } = this.#options;
    this.#seen = this.#stamp();
    try {
      const pem = read(files);
      if (pem.cert === this.#current.cert && pem.key === this.#current.key) {
        this.#refused = null;
        return;
      }
      const next = toCertificate(pem);
      const now = Date.now();
      if (!isInForce(next, now) && isInForce(this.#current, now)) {
        throw fail("config_invalid", `Cannot use the certificate: ${describeConcern(next, null, now)}`);
      }
      await onRenewed(next);
      this.#current = next;
      this.#refused = null;
      const { names, expiresAt, fingerprint } = next;
      log.info(
        { names, expires_at: expiresAt, fingerprint },
        `another certificate is shown from now on, which is good until ${expiresAt.toISOString()}`,
      );
      this.#remindedAt = 0;
      this.#remind();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason === this.#refused) return;
      this.#refused = reason;
      log.error(
        { files: [files.cert, files.key] },
        `${reason}; the certificate before stays, until ${this.#current.expiresAt.toISOString()}`,
      );
    }
  }

  #remind(): void {
    const now = Date.now();
    if (now - this.#remindedAt < REMIND_MS) return;
    const { host, log, files } = this.#options;
    const concern = describeConcern(this.#current, host, now);
    if (concern === null) return;
    this.#remindedAt = now;
    log.warn({ files: [files.cert, files.key] }, `the certificate needs attention: ${concern}`);
  }

  #warnOfReaders(): void {
    const { files, log } = this.#options;
    const mode = statSync(files.key, { throwIfNoEntry: false })?.mode ?? 0;
    if (process.platform === "win32" || (mode & 0o004) === 0) return;
    log.warn({ file: files.key }, `every user of this machine may read ${files.key}: chmod o-r it`);
  }

  /** What tells that a file is another one, links followed. */
  #stamp(): string {
    const { cert, key } = this.#options.files;
    return [cert, key]
      .map((file) => {
        try {
          const { ino, size, mtimeMs } = statSync(file);
          return `${ino}:${size}:${mtimeMs}`;
        } catch {
          return "";
        }
      })
      .join(" ");
  }
}

/** Reads a certificate and its key. @throws AppError config_invalid when there is none that a server can use */
export function readCertificate(files: CertificateFilesOptions["files"]): Certificate {
  return toCertificate(read(files));
}

/** @throws AppError config_invalid */
function read({ cert, key }: CertificateFilesOptions["files"]): { cert: string; key: string } {
  return { cert: readPem(cert, "server.tls.cert"), key: readPem(key, "server.tls.key") };
}

function readPem(file: string, configKey: string): string {
  const refuse = (found: string): never => {
    throw fail("config_invalid", `Cannot use "${file}" as ${configKey}: ${found}`);
  };
  if (isEndless(file)) return refuse("it is a pipe or a device");
  const content = readTextFile(file);
  if (content.state === "read") return content.text;
  if (content.state === "missing") return refuse("there is no such file");
  return refuse(
    isAsn1(file)
      ? 'it is binary (DER or PKCS #12), and must be PEM: "openssl x509 -inform der", "openssl pkey -inform der" or "openssl pkcs12 -nodes" makes that of it'
      : content.found,
  );
}

/** Whether a file begins as certificates and keys do that aren't written as text. */
function isAsn1(file: string): boolean {
  const head = Buffer.alloc(2);
  try {
    const descriptor = openSync(file, "r");
    readSync(descriptor, head);
    closeSync(descriptor);
  } catch {
    return false; // who reads it is told why it can't be read
  }
  return head[0] === 0x30 && (head[1] ?? 0) >= 0x80;
}
