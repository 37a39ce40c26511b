import { AppError } from "../../errors/errors.ts";
import { PluginError } from "../failure/failure.ts";
import { type FetchOptions, fetchPlugin } from "./fetch/fetch.ts";
import { parseLocation } from "./fetch/location.ts";
import { placesOf, type RemoteEntry } from "./entries.ts";
import { assertSigned } from "../snapshot/signatures.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { SnapshotStore } from "../snapshot/store.ts";

/** What was found out about one copy of a plugin. */
export interface CopyCheck {
  /** "vendor", "cache", or one of its places. */
  readonly where: string;
  /** "ok": it is what is pinned. "differs": it is something else. "failed": it can't be had. */
  readonly state: "ok" | "differs" | "failed";
  /** Integrity of what is there instead; null when that isn't known. */
  readonly found: string | null;
  /** Why it isn't "ok"; null when it is. */
  readonly reason: string | null;
}

/** What was found out about a plugin from elsewhere. */
export interface PluginVerification {
  readonly name: string;
  /** What it is pinned to; null when it isn't. */
  readonly integrity: string | null;
  readonly copies: readonly CopyCheck[];
  /** Why its signatures aren't trusted; null when they are, or needn't be. */
  readonly distrust: string | null;
  /** Whether nothing differs from the pin, something is what is pinned, and its signature is trusted. */
  readonly ok: boolean;
}

export interface VerificationOptions {
  readonly store: SnapshotStore;
  readonly fetch: FetchOptions;
  readonly trustedKeys: readonly string[];
  /** Whether its places are left alone. */
  readonly isOffline: boolean;
}

/** Compares the kept copies of a plugin, and what each of its places gives now, with its pin. Nothing is changed. */
export async function verifyPlugin(
  name: string,
  entry: RemoteEntry,
  options: VerificationOptions,
): Promise<PluginVerification> {
  const { integrity = null } = entry;
  if (integrity === null) return { name, integrity, copies: [], distrust: null, ok: false };
  const kept = await checkKept(integrity, options.store);
  const places = options.isOffline ? [] : placesOf(entry);
  const served = await Promise.all(places.map((place) => fetchCopy(place, integrity, options.fetch)));
  const copies = [...kept, ...served];
  const snapshot = copies.find((copy) => copy.snapshot !== null)?.snapshot ?? null;
  const distrust = snapshot && (await findDistrust(integrity, snapshot, options.trustedKeys));
  const ok = snapshot !== null && distrust === null && copies.every(({ state }) => state !== "differs");
  return { name, integrity, copies: copies.map(withoutBytes), distrust, ok };
}

/** Compares what each place gives now with a pin. */
export async function checkPlaces(
  places: readonly string[],
  integrity: string,
  fetch: FetchOptions,
): Promise<CopyCheck[]> {
  return Promise.all(places.map(async (place) => withoutBytes(await fetchCopy(place, integrity, fetch))));
}

type Checked = CopyCheck & { readonly snapshot: Snapshot | null };

async function checkKept(integrity: string, store: SnapshotStore): Promise<Checked[]> {
  const copies = await store.examine(integrity);
  return copies.map(({ isVendored, snapshot, damage }) => ({
    where: isVendored ? "vendor" : "cache",
    state: damage === null ? "ok" : "differs",
    found: null,
    reason: damage,
    snapshot,
  }));
}

async function fetchCopy(place: string, integrity: string, fetch: FetchOptions): Promise<Checked> {
  try {
    const fetched = await fetchPlugin(parseLocation(place, fetch.projectDirectory), fetch);
    const { integrity: found, snapshot } = fetched;
    if (found === integrity) return { where: place, state: "ok", found, reason: null, snapshot };
    const reason = `expected ${integrity}, found ${found}`;
    return { where: place, state: "differs", found, reason, snapshot: null };
  } catch (error) {
    if (!(error instanceof PluginError || error instanceof AppError)) throw error;
    return { where: place, state: "failed", found: null, reason: error.message, snapshot: null };
  }
}

function withoutBytes({ snapshot: _bytes, ...copy }: Checked): CopyCheck {
  return copy;
}

async function findDistrust(
  integrity: string,
  { signatures }: Snapshot,
  trustedKeys: readonly string[],
): Promise<string | null> {
  if (trustedKeys.length === 0) return null;
  try {
    await assertSigned(integrity, signatures, trustedKeys);
    return null;
  } catch (error) {
    if (error instanceof PluginError) return error.message;
    throw error;
  }
}
