import { resolve } from "node:path";
import type { Logger } from "pino";
import type { LoadedConfig } from "../../config/load.ts";
import type { Acme, Standing } from "../acme/acme.ts";
import type { InstancesOptions } from "../acme/instances.ts";
import type { Certificate } from "../listening/certificate.ts";
import type { CertificateFiles } from "../listening/certificate-files.ts";
import type { WebServer } from "../server.ts";

/** More than it takes a process to go over to another certificate: those that share a port do so one after another. */
const TURN_MS = 700;

/** What is to be known of the certificate in files before a server shows it. */
export interface Examined {
  readonly expiresAt: Date;
  /** What isn't right with it, though it is used all the same; null where all is. */
  readonly concern: string | null;
}

/**
 * Reads the certificate that the configuration names, as a start does; null where it names none.
 *
 * @throws AppError config_invalid when a server can't use it
 */
export async function examineCertificate({ config, directory }: LoadedConfig): Promise<Examined | null> {
  const { public_url, tls } = config.server;
  if (tls.cert === null || tls.key === null) return null;
  const [{ readCertificate }, { describeConcern }] = await Promise.all([
    import("../listening/certificate-files.ts"),
    import("../listening/certificate.ts"),
  ]);
  const files = { cert: resolve(directory, tls.cert), key: resolve(directory, tls.key) };
  const certificate = readCertificate(files);
  const concern = describeConcern(certificate, toHost(public_url), Date.now());
  return { expiresAt: certificate.expiresAt, concern };
}

/** Tells how it stands with the certificate of `server.tls.acme`; null without that. Nothing is asked of the authority. */
export async function examineAcme(
  loaded: LoadedConfig,
): Promise<(Standing & { concern: string | null }) | null> {
  const { public_url, tls } = loaded.config.server;
  if (tls.acme === null) return null;
  const [{ readStanding }, { describeConcern }] = await Promise.all([
    import("../acme/acme.ts"),
    import("../listening/certificate.ts"),
  ]);
  const standing = await readStanding({ settings: tls.acme, folder: toAcmeFolder(loaded) });
  const { certificate } = standing;
  const concern = certificate && describeConcern(certificate, toHost(public_url), Date.now());
  return { ...standing, concern };
}

export interface HttpsOptions {
  readonly loaded: LoadedConfig;
  readonly web: WebServer;
  readonly log: Logger;
  /** Makes what encrypts what instances share. */
  readonly openBox: () => Promise<Pick<InstancesOptions, "seal" | "open">>;
  /** Number of this process among those that answer together; null for the only one. */
  readonly worker: number | null;
  /** Whether other processes listen at its ports too. */
  readonly isShared: boolean;
}

/** Where a server listens for HTTP to send it on to HTTPS. */
export interface RedirectAddress {
  readonly hostname: string;
  readonly port: number;
  /** The key of the configuration that has the port. */
  readonly setting: string;
}

/** Returns where HTTP is sent on to HTTPS; null where it isn't. */
export function findRedirectAddress({ config: { server } }: LoadedConfig): RedirectAddress | null {
  const { host: hostname, tls } = server;
  if (tls.redirect_port === null) return null;
  return { hostname, port: tls.redirect_port, setting: "server.tls.redirect_port" };
}

/** HTTPS of a server: its certificate, which is another one once it is renewed, and the port that sends HTTP on to it. */
export class Https {
  readonly #options: HttpsOptions;
  readonly #files: CertificateFiles;
  readonly #acme: Acme | null;
  #redirects: Bun.Server<undefined> | null = null;

  private constructor(options: HttpsOptions, files: CertificateFiles, acme: Acme | null) {
    this.#options = options;
    this.#files = files;
    this.#acme = acme;
  }

  /**
   * Reads the certificate; null without TLS.
   *
   * @throws AppError config_invalid when a server can't use it
   */
  static async open(options: HttpsOptions): Promise<Https | null> {
    const { loaded, web, log, worker } = options;
    const { tls, public_url } = loaded.config.server;
    if (!speaksTls(loaded)) return null;
    const acme = await openAcme(options);
    const { CertificateFiles } = await import("../listening/certificate-files.ts");
    const [cert, key] = acme === null ? [tls.cert, tls.key] : [acme.file, acme.file];
    const files = new CertificateFiles({
      files: { cert: resolve(loaded.directory, cert ?? ""), key: resolve(loaded.directory, key ?? "") },
      host: toHost(public_url),
      log,
      delayMs: worker === null ? 0 : (worker - 1) * TURN_MS,
      onRenewed: (certificate) => web.listeners.renew(certificate),
    });
    return new Https(options, files, acme);
  }

  get certificate(): Certificate {
    return this.#files.current;
  }

  /**
   * Follows the certificate from now on, and sends HTTP on to HTTPS.
   *
   * @param toError says why it can't listen for HTTP
   * @throws what that returns
   */
  async start(toError: (error: unknown, address: RedirectAddress) => Promise<Error>): Promise<void> {
    const address = findRedirectAddress(this.#options.loaded);
    if (address !== null) {
      try {
        await this.#redirect(address);
      } catch (error) {
        throw await toError(error, address);
      }
    }
    this.#files.follow();
    this.#acme?.start();
  }

  /** Looks whether there is another certificate, and takes it. */
  async check(): Promise<void> {
    this.#acme?.retry();
    await this.#files.check();
  }

  stop(): void {
    this.#acme?.stop();
    this.#files.stop();
    void this.#redirects?.stop();
  }

  async #redirect({ hostname, port }: RedirectAddress): Promise<void> {
    const { serveRedirects } = await import("./redirect.ts");
    this.#redirects = serveRedirects({
      hostname,
      port,
      isShared: this.#options.isShared,
      site: () => this.#site(),
      answerChallenge: async (token) => (await this.#acme?.answerChallenge(token)) ?? null,
    });
  }

  #site() {
    const { loaded, web } = this.#options;
    const { public_url } = loaded.config.server;
    const origin = public_url?.startsWith("https:") === true ? new URL(public_url).origin : null;
    return { origin, names: this.certificate.names, port: web.bun?.port ?? 443 };
  }
}

/** Whether a server is to speak HTTPS. */
export function speaksTls({ config: { server } }: LoadedConfig): boolean {
  return server.tls.cert !== null || server.tls.acme !== null;
}

function toAcmeFolder({ config, directory }: LoadedConfig): string {
  return resolve(directory, config.app.data_directory, "acme");
}

async function openAcme({ loaded, log, openBox }: HttpsOptions): Promise<Acme | null> {
  const { app, redis, server } = loaded.config;
  if (server.tls.acme === null) return null;
  const [{ Acme }, { Instances }] = await Promise.all([
    import("../acme/acme.ts"),
    import("../acme/instances.ts"),
  ]);
  const { url } = redis;
  return Acme.open({
    settings: server.tls.acme,
    folder: toAcmeFolder(loaded),
    log,
    instances: url === null ? null : new Instances({ url, appName: app.name, log, ...(await openBox()) }),
  });
}

function toHost(publicUrl: string | null): string | null {
  return publicUrl === null ? null : (URL.parse(publicUrl)?.hostname ?? null);
}
