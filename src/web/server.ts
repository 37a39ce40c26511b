import type { Callers } from "../db/transactions/callers.ts";
import type { AppError } from "../errors/errors.ts";
import { forbidStoring, givenIdOf, passCookie, withHeaders } from "./answers.ts";
import { closeUnread, limitBody, limitOf, SMALL_BODY, UnfinishedBodies } from "./body-limit.ts";
import { toAddressKey } from "./clients/address.ts";
import { allowOrigin, answerPreflight, type CorsOptions } from "./clients/cors.ts";
import { mayBeKnown, Site } from "./clients/site.ts";
import type { ErrorAnswer } from "./error-answers.ts";
import { Exchange, RequestLog, type RequestLogOptions } from "./exchange.ts";
import { toMessageError } from "./invalid-requests.ts";
import { type BunServer, Listeners, type Place } from "./listening/listeners.ts";
import { createEmptyMount, type Drained, type InFlight, type Mount, MountTable } from "./mounts.ts";
import { makeRequestId, takeRequestId } from "./request-ids.ts";
import { isRoutable, pathFrom, startOfPath, withRoutableUrl } from "./request-path.ts";
import { toMountServer, webSocketHandlers } from "./sockets.ts";
import type { RateLimits } from "./throttling/rate-limits.ts";

/** What may change while the server listens. */
export interface WebSettings {
  readonly cors: CorsOptions;
  readonly bodyLimit: number; // bytes
  readonly formLimit?: number; // bytes, of a form whose route takes files
  /** Addresses and networks whose `x-forwarded-for` is believed. */
  readonly trustedProxies: readonly string[];
  /** How long browsers are to keep to HTTPS, in seconds; null tells them nothing. @default null */
  readonly hstsMaxAge?: number | null;
  /** Origin that clients know the server by. @default null */
  readonly publicOrigin?: string | null;
}

export interface WebServerOptions extends Omit<RequestLogOptions, "addressOf"> {
  readonly settings: WebSettings;
  readonly answerError: ErrorAnswer;
  /** Told which request code works for. @default nobody asks */
  readonly callers?: Callers;
  readonly limits: RateLimits;
  /** Told how browsers reach the server. @default nobody asks */
  readonly site?: Site;
  /** Finds out who makes a request, by the id of the user; null for nobody known. */
  readonly identify: (request: Request) => Promise<number | null>;
  /** Is told of what an administrator should know. */
  readonly warn: (message: string) => void;
}

/** Listens for HTTP and hands each request to the mount that is live at that moment. */
export class WebServer {
  #core: Mount = createEmptyMount();
  #plugins: readonly Mount[] = [];
  #table = new MountTable(this.#core, this.#plugins);
  #settings: WebSettings;
  /** What it listens on. */
  readonly listeners: Listeners;
  /** RFC 6797, for this host alone: those below it may have no HTTPS. */
  #hsts: string | null = null;
  /** Of mounts that take no more requests. */
  readonly #draining = new Set<InFlight>();
  /** What requests wait for before they are answered. */
  #held: Promise<void> | null = null;
  #hasWarned = false;
  /** Whether clients are asked not to use their connections again. */
  isLeaving = false;
  readonly #bodies = new UnfinishedBodies();
  readonly #answerError: ErrorAnswer;
  readonly #callers: Callers | null;
  readonly #limits: RateLimits;
  readonly #site: Site;
  readonly #options: Pick<WebServerOptions, "identify" | "warn">;
  /** Told of each request before it is handled. */
  onRequest: ((exchange: Exchange) => void) | null = null;
  readonly #log: RequestLog;
  /** Requests as Bun received them, by the copies that handlers see: Bun knows nothing of the copies. */
  readonly #received = new WeakMap<Request, Request>();
  /** Requests whose handler is at work and has made WebSockets of them: the response that Elysia returns isn't sent. */
  readonly #upgraded = new Set<Request>();

  constructor(options: WebServerOptions) {
    this.#settings = options.settings;
    this.#site = options.site ?? new Site();
    this.listeners = new Listeners({
      fetch: (request: Request) => this.dispatch(request),
      error: (error: unknown) => this.#answerUnsendable(error),
      development: false, // Bun's own error page shows sources
      websocket: webSocketHandlers,
      // The limit that counts is server.body_limit, which answers with a problem.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    });
    this.#site.connectionOf = (request) => this.bun?.requestIP(this.#toReceived(request))?.address ?? "";
    this.configure(options.settings);
    this.#answerError = options.answerError;
    this.#log = new RequestLog({
      ...options,
      addressOf: ({ connection, request }) => this.#site.clientOf(connection, request),
    });
    this.#callers = options.callers ?? null;
    this.#limits = options.limits;
    this.#limits.addressOf = (request) => toAddressKey(this.addressOf(request));
    this.#options = options;
  }

  get bun(): BunServer | null {
    return this.listeners.current;
  }

  /** Address that the server answers at, such as "http://127.0.0.1:8000"; null before it listens. */
  get url(): string | null {
    return this.bun?.url.origin ?? null;
  }

  /** Lets `core` answer from now on; requests under way finish where they are. */
  mountCore(core: Mount): void {
    this.#core = core;
    this.#table = new MountTable(core, this.#plugins);
  }

  /** Lets these answer below their prefixes from now on, in one step; requests under way finish where they are. */
  mountPlugins(plugins: readonly Mount[]): void {
    this.#plugins = plugins;
    this.#table = new MountTable(this.#core, plugins);
  }

  /** Applies new settings to every request from now on. */
  configure(settings: WebSettings): void {
    this.#settings = settings;
    this.#tellHsts();
    this.#site.configure({ publicOrigin: null, ...settings });
  }

  /**
   * Starts listening, or takes over the socket of `previous` without dropping a connection.
   *
   * @throws Error with the code of the system call, such as EADDRINUSE
   */
  listen(place: Place, previous: BunServer | null = null): void {
    if (previous === null) this.listeners.open(place);
    else this.listeners.adopt(previous, place);
    this.#tellHsts();
  }

  /**
   * Asks clients not to use those connections again that they have, and lets others have the new ones: processes that listen
   * on the port, or those that a trusted proxy knows. Resolves once `stop()` refuses nobody.
   *
   * @param successor which process is to have all, as the `successor`-th that has begun to listen; -1 for any; null where
   * there are none: then nothing is done unless a proxy is trusted
   */
  async leave(successor: number | null): Promise<void> {
    const port = this.bun?.port;
    if (port === undefined) return;
    if (successor === null && (this.isLeaving || this.#settings.trustedProxies.length === 0)) return;
    this.isLeaving = true;
    const { leaveProxy, leaveTo } = await import("../native/listening-socket.ts");
    await (successor === null ? leaveProxy(port) : leaveTo(port, successor));
  }

  /** Lets requests wait until `ready` settles, at most `timeoutMs`: a server that starts answers late, not wrong. */
  async holdUntil(ready: Promise<unknown>, timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#held = Promise.race([ready, promise]).then(
      () => {},
      () => {},
    );
    await this.#held;
    clearTimeout(timer);
    this.#held = null;
  }

  /** Address of the client of a request under way, behind trusted proxies; "" once it has been answered. */
  addressOf(request: Request): string {
    return this.#site.addressOf(request);
  }

  /** Whether the client of `request` still waits for the rest of its response. */
  isOpen(request: Request): boolean {
    return this.bun !== null && this.bun.requestIP(this.#toReceived(request)) !== null;
  }

  /** Waits for the requests of a mount that takes no more. */
  async drain(inFlight: InFlight, limits: Parameters<InFlight["drain"]>[1]): Promise<Drained> {
    this.#draining.add(inFlight);
    try {
      return await inFlight.drain((request) => this.isOpen(request), limits);
    } finally {
      this.#draining.delete(inFlight);
    }
  }

  /** The server for the handlers of one mount: Elysia's `server` in a handler's context. */
  serverFor(owner: Pick<Mount, "plugin" | "inFlight">): BunServer | null {
    if (this.bun === null) return null;
    return toMountServer(this.listeners, owner, {
      toReceived: (request) => this.#toReceived(request),
      onUpgrade: (request) => void this.#upgraded.add(request),
      answerError: (error, request) => this.#answerError(toMessageError(error), request, owner.plugin),
    });
  }

  /**
   * Takes no new connection, waits for the requests under way, and cuts off those left after `timeoutMs`.
   * WebSockets and streams of events, which have no end to wait for, end at once.
   */
  async stop(timeoutMs: number): Promise<void> {
    const timer = Promise.withResolvers<"late">();
    const timeout = setTimeout(() => timer.resolve("late"), timeoutMs);
    const stopped = this.listeners.stop();
    const served = [...this.#table.all()].map(({ inFlight }) => inFlight);
    for (const inFlight of [...served, ...this.#draining]) inFlight.end("events");
    const result = await Promise.race([stopped, timer.promise]);
    clearTimeout(timeout);
    if (result === "late") await this.listeners.stop(true);
  }

  /** Answers one request: the hot path. */
  dispatch(received: Request): Response | undefined | Promise<Response | undefined> {
    if (this.#held !== null) return this.#held.then(() => this.dispatch(received));
    // Bun makes a new string each time.
    const { url } = received;
    const start = startOfPath(url);
    const path = pathFrom(url, start);
    const mount = this.#table.find(path);
    const exchange = new Exchange(received, { server: this.listeners.current, mount, path });
    const { method } = exchange;
    this.onRequest?.(exchange);
    const isSafe = method === "GET" || method === "HEAD";
    try {
      if (!isRoutable(start) || !isSafe) {
        const preflight = method === "OPTIONS" ? this.#answerPreflight(received) : null;
        if (preflight !== null) return this.#finish(exchange, preflight);
        exchange.request = this.#prepare(received, this.#bodyLimitOf(exchange));
      }
      const limited = this.#limits.isDue() ? this.#limit(exchange) : null;
      return this.#finishAny(exchange, limited ?? this.#handle(exchange, isSafe));
    } catch (error) {
      return this.#finish(exchange, this.#answerError(error, exchange.request, mount.plugin));
    }
  }

  /**
   * Answers a request that the server makes itself, for the client of a request under way: as if that one had sent it, by
   * the same guards and from the same address. It stands in no log of requests, and counts for no limit of addresses.
   */
  async answerFor(client: Request, request: Request): Promise<Response> {
    const mount = this.#table.find(pathFrom(request.url, startOfPath(request.url)));
    this.#received.set(request, this.#toReceived(client));
    mount.inFlight.handling += 1;
    try {
      const answer = await mount.fetch(request);
      if (answer === undefined) throw new TypeError("Cannot make a WebSocket for the server itself");
      return answer;
    } catch (error) {
      return this.#answerError(error, request, mount.plugin);
    } finally {
      takeRequestId(request);
      passCookie(request, client);
      mount.inFlight.handling -= 1;
    }
  }

  #handle(exchange: Exchange, isSafe: boolean): ReturnType<Mount["fetch"]> {
    const { mount, request } = exchange;
    return isSafe || this.#callers === null
      ? mount.fetch(request)
      : this.#callers.run(exchange, mount.fetch, request);
  }

  /** Counts a request of its client's address; answers one that is too many, and may be about to; null lets it in. */
  #limit(exchange: Exchange): Response | Promise<Response | undefined> | null {
    const { request, mount, path, startedAt } = exchange;
    if (mount.inFlight.isFree(path)) return null;
    const address = this.addressOf(request);
    if (address === "") return null; // it is gone
    exchange.address = address;
    const key = toAddressKey(address);
    const error = this.#limits.countAddress(request, key, startedAt);
    if (error === null || mount.inFlight.limitsItself(request)) return null;
    this.#warnOfProxy(request);
    return mayBeKnown(request) && this.#limits.countTry(key)
      ? this.#answerKnown(exchange, key, error)
      : this.#refuse(exchange, error);
  }

  /** Answers a request of an address that has no more, if it is a user's. */
  async #answerKnown(exchange: Exchange, key: string, error: AppError): Promise<Response | undefined> {
    const { request, method } = exchange;
    const userId = await this.#options.identify(request);
    if (userId === null) return this.#refuse(exchange, error);
    this.#limits.forgiveTry(key);
    this.#limits.countUserAhead(request, userId);
    return this.#handle(exchange, method === "GET" || method === "HEAD");
  }

  #refuse({ request, mount }: Exchange, error: AppError): Response {
    const response = this.#answerError(error, request, mount.plugin);
    closeUnread(request, response);
    return response;
  }

  /** A proxy that nobody has named makes one client of all its own. */
  #warnOfProxy({ headers }: Request): void {
    if (this.#hasWarned || this.#settings.trustedProxies.length > 0 || !headers.has("x-forwarded-for"))
      return;
    this.#hasWarned = true;
    this.#options.warn(
      "requests are refused that came through a proxy: name it in server.trusted_proxies, or its clients share one limit",
    );
  }

  #answerPreflight(request: Request): Response | null {
    const { cors } = this.#settings;
    return cors.allow_origins.length === 0 ? null : answerPreflight(request, cors);
  }

  #toReceived(request: Request): Request {
    return this.#received.get(request) ?? request;
  }

  /** Who logs in sends a few words, and may be anybody. */
  #bodyLimitOf({ request, mount, path }: Exchange): number {
    const limit = limitOf(request, this.#settings, mount.inFlight);
    return mount.plugin === null && path.startsWith("/auth/") ? Math.min(limit, SMALL_BODY) : limit;
  }

  #prepare(received: Request, bodyLimit: number): Request {
    const request = limitBody(withRoutableUrl(received), bodyLimit, this.#bodies);
    if (request !== received) this.#received.set(request, received);
    return request;
  }

  #tellHsts(): void {
    const { hstsMaxAge = null, publicOrigin = null, trustedProxies } = this.#settings;
    const mayBeSecure =
      publicOrigin?.startsWith("https:") === true || trustedProxies.length > 0 || this.listeners.isSecure;
    this.#hsts = hstsMaxAge !== null && mayBeSecure ? `max-age=${hstsMaxAge}` : null;
  }

  /** Answers for a Response that Bun can't send, such as one whose body has been read. */
  #answerUnsendable(error: unknown): Response {
    const unknown = new Request("http://localhost/");
    const answer = this.#answerError(error, unknown, null);
    return withHeaders(answer, takeRequestId(unknown) ?? makeRequestId());
  }

  #finishAny(
    exchange: Exchange,
    answer: Response | undefined | Promise<Response | undefined>,
  ): Response | undefined | Promise<Response | undefined> {
    if (!(answer instanceof Promise)) return this.#finish(exchange, answer);
    // Elysia takes many a handler for async whose answer is there already.
    if (Bun.peek.status(answer) !== "fulfilled") return this.#finishLater(exchange, answer);
    return this.#finish(exchange, Bun.peek(answer) as Response | undefined);
  }

  async #finishLater(
    exchange: Exchange,
    answer: Promise<Response | undefined>,
  ): Promise<Response | undefined> {
    const { mount } = exchange;
    mount.inFlight.handling += 1;
    this.#log.begin(exchange);
    try {
      return this.#finish(exchange, await answer);
    } catch (error) {
      return this.#finish(exchange, this.#answerError(error, exchange.request, mount.plugin));
    } finally {
      mount.inFlight.handling -= 1;
    }
  }

  #finish(exchange: Exchange, answer: Response | undefined): Response | undefined {
    const { request, path, mount } = exchange;
    exchange.isAnswered = true;
    if (this.#bodies.forms.size > 0) this.#bodies.forms.leave(request);
    const id = takeRequestId(request) ?? givenIdOf(answer) ?? makeRequestId();
    const isUpgraded = answer === undefined || (this.#upgraded.size > 0 && this.#upgraded.delete(request));
    const response = isUpgraded ? undefined : withHeaders(answer, id);
    if (response !== undefined) {
      forbidStoring(request, mount.plugin === null ? path : null, response);
      if (this.#hsts !== null && this.#site.isKnownSecure(request))
        response.headers.set("strict-transport-security", this.#hsts);
      this.#limits.addFields(request, response);
      if (this.isLeaving) response.headers.set("connection", "close");
    }
    if (response !== undefined && this.#settings.cors.allow_origins.length > 0) {
      allowOrigin(request, response.headers, this.#settings.cors);
    }
    this.#log.end(exchange, id, response);
    return response;
  }
}
