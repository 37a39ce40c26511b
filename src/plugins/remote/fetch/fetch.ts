import { FetchBudget } from "./budget.ts";
import { HttpClient } from "./http-client.ts";
import { fetchOverHttp } from "./http-source.ts";
import { computeIntegrity } from "../../snapshot/integrity.ts";
import type { Location } from "./location.ts";
import { FetchError, PluginError } from "../../failure/failure.ts";
import { fetchFromNpm } from "./npm-source.ts";
import { fetchFromPath } from "./path-source.ts";
import { findNameClash, isUrlName, type Snapshot } from "../../snapshot/snapshot.ts";

/** How far a plugin's hosts are trusted. */
export interface FetchLimits {
  /** How long one file may take, to its last byte. */
  readonly timeoutMs: number;
  /** Of all files of a plugin together, unpacked. */
  readonly maxBytes: number;
  /** How often a host may redirect one request. */
  readonly maxRedirects: number;
  /** Hosts, "10.0.0.5" or "10.0.0.5:8443", that a plugin's files may name although they are private. */
  readonly allowHosts: readonly string[];
  /** Whether nothing may be asked of any host. */
  readonly isOffline: boolean;
}

export interface FetchOptions {
  readonly limits: FetchLimits;
  /** Folder for temporary folders, made when it is needed. */
  readonly tmp: string;
  /** Folder of config.json, whose `.npmrc` and `bunfig.toml` say where packages come from. */
  readonly projectDirectory: string;
  /** Whether who wrote the plugin's own URL may name a host with a private address. @default true */
  readonly trustsEntry?: boolean | undefined;
  /** Ends what is under way. */
  readonly signal?: AbortSignal | undefined;
  /** Further authorities whose certificates are accepted, PEM. */
  readonly ca?: string | undefined;
}

/** A plugin with all of its files, from a place that nobody vouches for: compare its integrity with a pin. */
export interface FetchedPlugin {
  readonly snapshot: Snapshot;
  readonly integrity: string;
  /** Where it was fetched from; the version of an npm package made exact. */
  readonly location: Location;
  /** Every host that was asked, "localhost:8080", in order of first use. */
  readonly hosts: readonly string[];
}

/** What the fetching of one plugin works with. */
export interface FetchWork extends FetchOptions {
  readonly client: HttpClient;
  readonly budget: FetchBudget;
  readonly signal: AbortSignal;
  readonly abort: (reason: unknown) => void;
}

/** What a place gave, and where the place is exactly. */
export interface FoundPlugin {
  readonly snapshot: Snapshot;
  readonly location: Location;
  /** Hosts that were asked past the client. */
  readonly hosts?: readonly string[];
}

/**
 * Fetches one file that is no plugin, from a URL that a user has written, by the same rules.
 *
 * @throws FetchError
 */
export async function fetchFile(url: URL, limits: FetchLimits): Promise<Uint8Array> {
  const client = new HttpClient({
    limits,
    entry: url,
    signal: new AbortController().signal,
    lateAdvice: "get the file in another way, and name that",
  });
  const budget = new FetchBudget(limits.maxBytes, "expected is a smaller file");
  return (await client.follow({ url, budget, reason: null })).content;
}

/**
 * Fetches a plugin into memory with all that it imports from URLs. Whether it fails or not, nothing is left behind:
 * no request, no file.
 *
 * @throws FetchError with the file at fault
 * @throws the signal's reason when it is aborted
 */
export async function fetchPlugin(location: Location, options: FetchOptions): Promise<FetchedPlugin> {
  const { limits, ca, trustsEntry = true } = options;
  const ending = new AbortController();
  const signal =
    options.signal === undefined ? ending.signal : AbortSignal.any([options.signal, ending.signal]);
  const entry = location.kind === "http" && trustsEntry ? location.url : null;
  const client = new HttpClient({ limits, entry, signal, ca });
  const budget = new FetchBudget(limits.maxBytes);
  const work = { ...options, client, budget, signal, abort: (reason: unknown) => ending.abort(reason) };
  try {
    signal.throwIfAborted();
    const found = await fetchFrom(location, work);
    assertNames(found.snapshot, location);
    const hosts = [...new Set([...(found.hosts ?? []), ...client.hosts])];
    return {
      snapshot: found.snapshot,
      integrity: computeIntegrity(found.snapshot),
      location: found.location,
      hosts,
    };
  } catch (error) {
    ending.abort(error);
    if (!(error instanceof PluginError) || error instanceof FetchError) throw error;
    throw new FetchError(error.message, { cause: error });
  }
}

/**
 * Fetches a plugin from the first of its places that gives it.
 *
 * @param options `expected`: the integrity that it must have; null: any
 * @throws FetchError that names each place and what is wrong with it, transient when one of them is
 * @throws the signal's reason when it is aborted
 */
export async function fetchFromMirrors(
  locations: readonly Location[],
  options: FetchOptions & { readonly expected: string | null },
): Promise<FetchedPlugin> {
  const failures: FetchError[] = [];
  for (const location of locations) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the next one only when this one fails
      const fetched = await fetchPlugin(location, options);
      assertExpected(fetched, options.expected);
      return fetched;
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first !== undefined && failures.length === 1) throw first;
  if (first === undefined) throw new FetchError("Cannot fetch a plugin: no place is named; add its URL");
  const reasons = failures.map(({ message }, index) => `(${index + 1}) ${message}`);
  throw new FetchError(
    `Cannot fetch a plugin from any of its ${failures.length} places: ${reasons.join(" ")}`,
    {
      isTransient: failures.some(({ isTransient }) => isTransient),
      cause: first,
    },
  );
}

function fetchFrom(location: Location, work: FetchWork): Promise<FoundPlugin> {
  if (location.kind === "http") return fetchOverHttp(location, work);
  return location.kind === "npm" ? fetchFromNpm(location, work) : fetchFromPath(location, work);
}

function assertNames({ files }: Snapshot, { text }: Location): void {
  const clash = findNameClash([...files.keys()].filter((name) => !isUrlName(name)));
  if (clash === null) return;
  const [first, second] = clash.map((name) => JSON.stringify(name));
  const state = `its files ${first} and ${second} are one on some systems`;
  throw new FetchError(`Cannot fetch "${text}": ${state}; rename one of them`);
}

function assertExpected({ integrity, location }: FetchedPlugin, expected: string | null): void {
  if (expected === null || integrity === expected) return;
  const advice = "whoever serves it has changed it, or the pin is that of another version";
  throw new FetchError(`Cannot take "${location.text}": expected ${expected}, found ${integrity}; ${advice}`);
}
