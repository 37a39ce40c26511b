import { resolve } from "node:path";
import type { Logger } from "pino";
import type { LoadedConfig } from "../config/load.ts";
import type { Certificate } from "../web/listening/certificate.ts";
import type { CertificateFiles } from "../web/listening/certificate-files.ts";
import type { WebServer } from "../web/server.ts";
import { toListenError } from "./failure-text.ts";

/** More than it takes a process to go over to another certificate: those that share a port do so one after another. */
const TURN_MS = 700;

export interface HttpsOptions {
  readonly loaded: LoadedConfig;
  readonly web: WebServer;
  readonly log: Logger;
  /** Number of this process among those that answer together; null for the only one. */
  readonly worker: number | null;
  /** Whether other processes listen at its ports too. */
  readonly isShared: boolean;
}

/** HTTPS of a server: its certificate, which is another one once it is renewed, and the port that sends HTTP on to it. */
export class Https {
  readonly #options: HttpsOptions;
  readonly #files: CertificateFiles;
  #redirects: Bun.Server<undefined> | null = null;

  private constructor(options: HttpsOptions, files: CertificateFiles) {
    this.#options = options;
    this.#files = files;
  }

  /**
   * Reads the certificate; null without TLS.
   *
   * @throws AppError config_invalid when a server can't use it
   */
  static async open(options: HttpsOptions): Promise<Https | null> {
    const { loaded, web, log, worker } = options;
    const { cert, key } = loaded.config.server.tls;
    if (cert === null || key === null) return null;
    const { CertificateFiles } = await import("../web/listening/certificate-files.ts");
    const { public_url } = loaded.config.server;
    const files = new CertificateFiles({
      files: { cert: resolve(loaded.directory, cert), key: resolve(loaded.directory, key) },
      host: public_url === null ? null : (URL.parse(public_url)?.hostname ?? null),
      log,
      delayMs: worker === null ? 0 : (worker - 1) * TURN_MS,
      onRenewed: (certificate) => web.listeners.renew(certificate),
    });
    return new Https(options, files);
  }

  get certificate(): Certificate {
    return this.#files.current;
  }

  /**
   * Follows the certificate from now on, and sends HTTP on to HTTPS.
   *
   * @throws AppError port_unavailable when it can't listen for HTTP
   */
  async start(): Promise<void> {
    this.#files.follow();
    const { loaded, isShared } = this.#options;
    const { host: hostname, tls } = loaded.config.server;
    if (tls.redirect_port === null) return;
    const { serveRedirects } = await import("../web/listening/redirect.ts");
    try {
      this.#redirects = serveRedirects({
        hostname,
        port: tls.redirect_port,
        isShared,
        site: () => this.#site(),
        answerChallenge: async () => null,
      });
    } catch (error) {
      throw await toListenError(error, { hostname, port: tls.redirect_port });
    }
  }

  /** Looks whether there is another certificate, and takes it. */
  check(): Promise<void> {
    return this.#files.check();
  }

  stop(): void {
    this.#files.stop();
    void this.#redirects?.stop();
  }

  #site() {
    const { loaded, web } = this.#options;
    const { public_url } = loaded.config.server;
    const origin = public_url?.startsWith("https:") === true ? new URL(public_url).origin : null;
    return { origin, names: this.certificate.names, port: web.bun?.port ?? 443 };
  }
}
