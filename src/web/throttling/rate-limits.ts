import { inspect } from "node:util";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";
import { type Counter, Counters, giveBack, type Limit, type Standing, take, toStanding } from "./counters.ts";
import { type Fields, toFields, toSeconds } from "./limit-fields.ts";
import type { SharedCounts } from "./shared-counts.ts";

/** What `server.rate_limit` says. */
export interface RateLimitSettings {
  readonly enabled: boolean;
  /** Requests a minute of an address. */
  readonly anonymous_per_minute: number;
  /** Requests a minute of a user. */
  readonly authenticated_per_minute: number;
}

/** What a route says of its own limit: `{ max: 5, window: 60 }` is five requests a minute. */
export interface RouteLimitOptions {
  /** Requests of one client within the window, at least 1. */
  readonly max: number;
  /** In seconds, up to a day. */
  readonly window: number;
}

const WINDOW_MS = 60_000;
/** Up to so many requests a minute the address of each is looked at. */
const FEW = 10_000;
const LARGEST_GAP = 31; // requests
const MAX_REQUESTS = 1_000_000_000;
const LONGEST_WINDOW = 86_400; // seconds

/**
 * Limits how many requests a client may make: by address, by user where a guard knows who asks, and by what routes say
 * themselves.
 *
 * To ask Bun for an address takes longer than all the rest. Where many requests come, one in 16 is looked at on
 * average, and counted for those that weren't: until an address has used half of what it may, from when on each counts.
 */
export class RateLimits {
  /** Returns what to count the client of a request under where no user is known. */
  addressOf: (request: Request) => string = () => "";
  #isOn: boolean;
  #anonymous: Limit;
  #authenticated: Limit;
  readonly #default = new Counters();
  readonly #ofRoutes = new Counters();
  readonly #now: () => number;
  readonly #random: () => number;
  /** Requests since one was looked at, and how many there are to be. */
  #passed = 0;
  #gap = 1;
  #seen = 0;
  #seenSince = 0;
  #exactUntil = 0;
  /** What was counted last, in case that it turns out to be a user's. */
  #latest: Request | null = null;
  #latestCounter: Counter | null = null;
  #latestWeight = 0;
  readonly #users = new WeakSet<Request>();
  readonly #fields = new WeakMap<Request, Fields>();
  /** Requests whose answers are to have fields. While there are none, nobody looks. */
  #noted = 0;

  /** @param now a clock in ms that nobody sets. @default performance.now */
  constructor(settings: RateLimitSettings, now = () => performance.now(), random = Math.random) {
    this.#now = now;
    this.#random = random;
    this.#isOn = settings.enabled;
    this.#anonymous = toLimit(settings.anonymous_per_minute);
    this.#authenticated = toLimit(settings.authenticated_per_minute);
  }

  /** Applies new limits from now on; what has been counted counts on. */
  configure(settings: RateLimitSettings): void {
    this.#isOn = settings.enabled;
    this.#anonymous = toLimit(settings.anonymous_per_minute);
    this.#authenticated = toLimit(settings.authenticated_per_minute);
    this.#gap = 1;
  }

  /** Counts together with the other instances, from now on. */
  shareBy(counts: SharedCounts): void {
    this.#default.sharing = counts.of("default");
    this.#ofRoutes.sharing = counts.of("route");
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#default.size + this.#ofRoutes.size;
  }

  /** Whether the address of this request is to be looked at and counted: the hot path. */
  isDue(): boolean {
    if (!this.#isOn) return false;
    this.#passed += 1;
    return this.#passed >= this.#gap;
  }

  /** Counts a request that is due; returns the error of an address that has no more. */
  countAddress(request: Request, address: string, now: number): AppError | null {
    const weight = this.#passed;
    this.#passed = 0;
    const limit = this.#anonymous;
    const counter = this.#default.of(address, WINDOW_MS, now);
    const isAllowed = take(counter, limit, now, weight);
    this.#default.share(address, counter, limit);
    const isHalf = counter.used(now) * 2 > limit.max;
    if (isHalf) this.#exactUntil = now + WINDOW_MS;
    this.#gap = this.#nextGap(weight, now);
    if (!isAllowed) return toError("default", limit, toStanding(counter, limit, now, false));
    this.#latest = request;
    this.#latestCounter = counter;
    this.#latestWeight = weight;
    if (isHalf) this.#note(request, toFields("default", limit, toStanding(counter, limit, now, true)));
    return null;
  }

  /**
   * Counts a request against a user rather than its address, once.
   *
   * @throws AppError rate_limited
   */
  countUser(request: Request, userId: number): void {
    if (!this.#isOn || this.#users.has(request)) return;
    this.#giveBack(request);
    this.#count(request, { counters: this.#default, key: userId, policy: "default" }, this.#authenticated);
  }

  /** Counts an address that has no more for having it looked at who asks; false when it has had that too often. */
  countTry(address: string): boolean {
    const now = this.#now();
    const key = `try ${address}`;
    const counter = this.#default.of(key, WINDOW_MS, now);
    const isAllowed = take(counter, this.#anonymous, now);
    this.#default.share(key, counter, this.#anonymous);
    return isAllowed;
  }

  /** Takes that back: it was a user. */
  forgiveTry(address: string): void {
    giveBack(this.#default.of(`try ${address}`, WINDOW_MS, this.#now()));
  }

  /** Like countUser, where that is found out before the route is: it isn't counted again there. */
  countUserAhead(request: Request, userId: number): void {
    this.countUser(request, userId);
    this.#users.add(request);
  }

  /**
   * Counts a request against the limit of its route, in the place of those of the server.
   *
   * @param route tells the route from all others
   * @param userId null for nobody known: then its address counts
   * @throws AppError rate_limited
   */
  countRoute(request: Request, route: string, limit: Limit, userId: number | null): void {
    if (!this.#isOn) return;
    this.#giveBack(request);
    const key = `${userId === null ? this.addressOf(request) : `user ${userId}`} ${route}`;
    this.#count(request, { counters: this.#ofRoutes, key, policy: "route" }, limit, true);
  }

  /** Adds what the client of a request is told of its quota. */
  addFields(request: Request, response: Response): void {
    if (this.#noted === 0) return;
    const fields = this.#fields.get(request);
    if (fields === undefined) return;
    this.#noted -= 1;
    this.#fields.delete(request);
    const { headers } = response;
    for (const [name, value] of Object.entries(fields)) if (!headers.has(name)) headers.set(name, value);
  }

  #count(
    request: Request,
    {
      counters,
      key,
      policy,
    }: { readonly counters: Counters; readonly key: string | number; readonly policy: string },
    limit: Limit,
    isAlwaysTold = false,
  ): void {
    const now = this.#now();
    const counter = counters.of(key, limit.windowMs, now);
    if (!take(counter, limit, now)) {
      this.#forget(request);
      throw toError(policy, limit, toStanding(counter, limit, now, false));
    }
    counters.share(key, counter, limit);
    const isTold = isAlwaysTold || counter.used(now) * 2 > limit.max;
    if (isTold) this.#note(request, toFields(policy, limit, toStanding(counter, limit, now, true)));
    else this.#forget(request);
  }

  /** Takes back what an address was counted for. */
  #giveBack(request: Request): void {
    if (this.#latest !== request || this.#latestCounter === null) return;
    giveBack(this.#latestCounter, this.#latestWeight);
    this.#latest = null;
  }

  #nextGap(weight: number, now: number): number {
    if (now - this.#seenSince >= WINDOW_MS) {
      this.#seenSince = now;
      this.#seen = 0;
    }
    this.#seen += weight;
    if (this.#seen < FEW || now < this.#exactUntil) return 1;
    // One request must not weigh much.
    const largest = Math.min(LARGEST_GAP, Math.floor(this.#anonymous.max / 10));
    return 1 + Math.floor(this.#random() * largest);
  }

  #note(request: Request, fields: Fields): void {
    if (!this.#fields.has(request)) this.#noted += 1;
    this.#fields.set(request, fields);
  }

  #forget(request: Request): void {
    if (this.#noted > 0 && this.#fields.delete(request)) this.#noted -= 1;
  }
}

/**
 * Reads what a route says of its own limit.
 *
 * @throws TypeError for what is none
 */
export function toRouteLimit(options: Partial<RouteLimitOptions> | null): Limit {
  // Types aren't checked when a plugin is loaded.
  const { max, window } = options ?? {};
  const isNumber = typeof max === "number" && typeof window === "number";
  const isLimit =
    isNumber &&
    Number.isInteger(max) &&
    max >= 1 &&
    max <= MAX_REQUESTS &&
    window > 0 &&
    window <= LONGEST_WINDOW;
  if (isLimit) return { max, windowMs: window * 1000 };
  throw new TypeError(
    `Cannot limit a route with { rateLimit: ${inspect(options, { breakLength: Infinity })} }: expected { max, window }, as many requests as a whole number from 1 within as many seconds, up to a day`,
  );
}

function toLimit(max: number): Limit {
  return { max, windowMs: WINDOW_MS };
}

function toError(policy: string, limit: Limit, standing: Standing): AppError {
  const seconds = toSeconds(standing.waitMs);
  return fail("rate_limited", `Too many requests: try again in ${seconds} seconds`, {
    headers: { ...toFields(policy, limit, standing), "retry-after": String(seconds) },
  });
}
