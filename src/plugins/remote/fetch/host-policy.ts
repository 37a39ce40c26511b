import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { FetchError } from "../../failure/failure.ts";
import { isLoopback } from "./location.ts";
import { isPublicAddress } from "./public-address.ts";

const PROXIED_LOOKUP_MS = 2000;
/** Names of this machine, or of the proxy's (RFC 6761), that resolvers may not know: "app.localhost", "localhost.". */
const OWN_NAME = /^(.+\.localhost\.?|localhost\.)$/;

/**
 * Which hosts a plugin may be fetched from. The host of its own URL, which a user has written, and those of
 * `plugins.fetch.allow_hosts` may be any; what its files and other hosts name must be on the public internet, or
 * a plugin could ask what only this machine reaches (SSRF).
 */
export class HostPolicy {
  readonly #entry: URL | null;
  readonly #allowHosts: ReadonlySet<string>;
  readonly #addresses = new Map<string, Promise<readonly string[]>>();

  /** @param entry the URL of a user who may name any host; null when there is none */
  constructor(entry: URL | null, allowHosts: readonly string[]) {
    this.#entry = entry;
    this.#allowHosts = new Set(allowHosts.map((host) => host.toLowerCase()));
  }

  /** @throws FetchError for a URL that no plugin may be fetched from, whatever its address */
  assertScheme(url: URL, subject: string): void {
    if (url.username !== "" || url.password !== "") {
      throw new FetchError(`Cannot fetch ${subject}: a URL must hold no credentials`);
    }
    if (url.protocol === "https:") return;
    if (url.protocol === "http:" && isLoopback(url) && this.#isTrusted(url)) return;
    const advice = isLoopback(url) ? `, or add "${url.host}" to plugins.fetch.allow_hosts` : "";
    throw new FetchError(`Cannot fetch ${subject}: it is no "https:" URL; serve it by HTTPS${advice}`);
  }

  /**
   * Returns the addresses to connect to, so that the name's next answer can't be another. Null: connect by name,
   * because a proxy is set, which looks it up itself.
   *
   * @throws FetchError when one of them isn't public and the host isn't trusted
   */
  async findAddresses(url: URL, subject: string): Promise<readonly string[] | null> {
    const isProxied = hasProxy(url);
    const isTrusted = this.#isTrusted(url);
    if (isProxied && isTrusted) return null;
    const addresses = isProxied ? await this.#lookUpInTime(url) : await this.#lookUpOnce(url, subject);
    const wrong = isTrusted ? undefined : addresses.find((address) => !isPublicAddress(address));
    if (wrong !== undefined) {
      throw new FetchError(
        `Cannot fetch ${subject}: "${url.hostname}" is at the private address ${wrong}; ` +
          `if it is meant to be, add "${url.host}" to plugins.fetch.allow_hosts`,
      );
    }
    return isProxied ? null : addresses;
  }

  #isTrusted(url: URL): boolean {
    if (url.origin === this.#entry?.origin) return true;
    const withPort = `${url.hostname}:${url.port === "" ? (url.protocol === "http:" ? 80 : 443) : url.port}`;
    return this.#allowHosts.has(url.hostname) || this.#allowHosts.has(withPort);
  }

  async #lookUpOnce(url: URL, subject: string): Promise<readonly string[]> {
    const { hostname } = url;
    const known = this.#addresses.get(hostname) ?? lookUp(hostname);
    this.#addresses.set(hostname, known);
    try {
      return await known;
    } catch (error) {
      throw new FetchError(`Cannot fetch ${subject}: the name "${hostname}" can't be found`, {
        isTransient: true,
        cause: error,
      });
    }
  }

  /** Where only a proxy reaches the internet, names of the internet may be unknown or never answered. */
  #lookUpInTime(url: URL): Promise<readonly string[]> {
    const addresses = this.#lookUpOnce(url, "").catch(() => []);
    return Promise.race([addresses, Bun.sleep(PROXIED_LOOKUP_MS).then(() => [])]);
  }
}

async function lookUp(hostname: string): Promise<readonly string[]> {
  const literal = hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(literal) !== 0) return [literal];
  if (OWN_NAME.test(hostname)) return ["127.0.0.1"];
  const found = await lookup(hostname, { all: true });
  // Addresses are tried one after another: where IPv6 leads nowhere, each request would wait for it.
  return found.toSorted((a, b) => a.family - b.family).map(({ address }) => address);
}

/** Whether Bun's `fetch` may go through a proxy. */
function hasProxy({ protocol }: URL): boolean {
  const names = protocol === "https:" ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy", "HTTP_PROXY"];
  return names.some((name) => (process.env[name] ?? "") !== "");
}
