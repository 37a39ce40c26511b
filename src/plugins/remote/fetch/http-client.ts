import { rootCertificates } from "node:tls";
import { FetchError } from "../../failure/failure.ts";
import type { FetchLimits } from "./fetch.ts";
import { HostPolicy } from "./host-policy.ts";
import { type HttpFile, type HttpRedirect, type HttpRequest, readAnswer, toSubject } from "./http-answer.ts";

const AT_ONCE = 16; // requests
const UNREACHABLE =
  /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|FailedToOpenSocket|ConnectionRefused)$/;
const CERTIFICATE = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH/;

export interface HttpClientOptions {
  readonly limits: FetchLimits;
  /** The URL that a user has written, whose host is trusted; null when it was none. */
  readonly entry: URL | null;
  /** Ends every request. */
  readonly signal: AbortSignal;
  /** Further authorities whose certificates are accepted, PEM. */
  readonly ca?: string | undefined;
  /** What to do about a file that takes too long. @default to raise plugins.fetch.timeout_seconds */
  readonly lateAdvice?: string;
}

/** Gets the files of one plugin by HTTP, within limits, from hosts that it may be fetched from. */
export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #policy: HostPolicy;
  readonly #hosts = new Set<string>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#policy = new HostPolicy(options.entry, options.limits.allowHosts);
  }

  /** Every host that was asked, "localhost:8080", in order of first use. */
  get hosts(): readonly string[] {
    return [...this.#hosts];
  }

  /**
   * Gets a file, or where its host says that it is.
   *
   * @throws FetchError when there is none, or it is too large, late or not allowed
   * @throws the signal's reason when it is aborted
   */
  async get(request: HttpRequest): Promise<HttpFile | HttpRedirect> {
    const subject = toSubject(request);
    if (this.#options.limits.isOffline) {
      const advice = "leave out --offline, or set plugins.offline to false";
      throw new FetchError(`Cannot fetch ${subject}: xcore is offline; ${advice}`);
    }
    this.#policy.assertScheme(request.url, subject);
    await this.#enter();
    try {
      return await this.#request(request, subject);
    } finally {
      this.#leave();
    }
  }

  /** Gets a file wherever its host says that it is. @throws as `get` does */
  async follow(request: HttpRequest): Promise<HttpFile> {
    let { url } = request;
    for (let hops = 0; ; hops += 1) {
      const reason = url === request.url ? request.reason : `where ${toSubject(request)} leads`;
      // oxlint-disable-next-line no-await-in-loop -- each answer says where to ask next
      const answer = await this.get({ ...request, url, reason });
      if (answer.kind === "file") return answer;
      this.assertHops(hops + 1, toSubject(request));
      url = answer.url;
    }
  }

  /** @throws FetchError for a URL that can't be allowed, whatever its host */
  assertScheme(url: URL, subject: string): void {
    this.#policy.assertScheme(url, subject);
  }

  /** @throws FetchError when a request has been redirected too often */
  assertHops(hops: number, subject: string): void {
    const { maxRedirects } = this.#options.limits;
    if (hops <= maxRedirects) return;
    throw new FetchError(`Cannot fetch ${subject}: it is redirected more than ${maxRedirects} times`);
  }

  async #request(request: HttpRequest, subject: string): Promise<HttpFile | HttpRedirect> {
    const { limits, signal } = this.#options;
    signal.throwIfAborted();
    const late = AbortSignal.timeout(limits.timeoutMs);
    const ending = new AbortController();
    const ended = AbortSignal.any([signal, late, ending.signal]);
    try {
      const response = await orAborted(this.#connect(request.url, subject, ended), ended);
      return await readAnswer(response, request, subject);
    } catch (error) {
      ending.abort();
      signal.throwIfAborted();
      if (error instanceof FetchError) throw error;
      if (late.aborted) {
        const state = `it took longer than ${limits.timeoutMs / 1000} seconds`;
        const { lateAdvice = "if it needs them, raise plugins.fetch.timeout_seconds" } = this.#options;
        throw new FetchError(`Cannot fetch ${subject}: ${state}; ${lateAdvice}`, { isTransient: true });
      }
      const { state, isTransient } = describeNetworkError(error);
      throw new FetchError(`Cannot fetch ${subject}: ${state}`, { isTransient, cause: error });
    }
  }

  async #connect(url: URL, subject: string, signal: AbortSignal): Promise<Response> {
    const addresses = await this.#policy.findAddresses(url, subject);
    this.#hosts.add(url.host);
    if (addresses === null) return this.#fetch(url, url.hostname, signal);
    let failure: unknown = null;
    for (const address of addresses) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- the next one only when this one can't be reached
        return await this.#fetch(url, address, signal);
      } catch (error) {
        if (!describeNetworkError(error).isUnreachable) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** @param address where to connect: the certificate must still be one of the URL's name */
  #fetch(url: URL, address: string, signal: AbortSignal): Promise<Response> {
    const { ca } = this.#options;
    const target = new URL(url);
    target.hostname = address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
    const isByName = target.hostname === url.hostname;
    return fetch(target, {
      headers: {
        accept: "*/*",
        // Bytes are counted as they come: a few compressed bytes could become any number.
        "accept-encoding": "identity",
        "user-agent": "xcore",
        ...(isByName ? {} : { host: url.host }),
      },
      tls: {
        ...(isByName ? {} : { serverName: url.hostname }),
        ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
      },
      decompress: false,
      redirect: "manual",
      signal,
    });
  }

  async #enter(): Promise<void> {
    if (this.#running < AT_ONCE) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}

/** Looking up a name can't be stopped, so it is left behind. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

/** What is wrong with a connection, in words. */
interface NetworkFailure {
  /** Such as "it refuses the connection". */
  readonly state: string;
  /** Whether another try may have more luck. */
  readonly isTransient: boolean;
  /** Whether nothing was reached at that address. */
  readonly isUnreachable: boolean;
}

/** Puts an error of Bun's `fetch` in words; its own hold the address in place of the name. */
function describeNetworkError(error: unknown): NetworkFailure {
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  const reason = typeof code === "string" && code !== "" ? code : (name ?? String(message));
  if (UNREACHABLE.test(reason)) {
    return { state: `its host can't be reached (${reason})`, isTransient: true, isUnreachable: true };
  }
  if (reason === "EPROTO") {
    return { state: "its host doesn't speak TLS", isTransient: false, isUnreachable: false };
  }
  if (CERTIFICATE.test(reason)) {
    const state = `the certificate of its host is not valid for it (${reason})`;
    return { state, isTransient: false, isUnreachable: false };
  }
  if (reason === "ECONNRESET" || reason === "ConnectionClosed") {
    return { state: "the connection ended before its end", isTransient: true, isUnreachable: false };
  }
  return { state: `the connection failed (${reason})`, isTransient: true, isUnreachable: false };
}
