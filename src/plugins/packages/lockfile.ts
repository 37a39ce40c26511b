import valid from "semver/functions/valid.js";
import { type JsonDocument, parseJsonDocument } from "../../config/json/document.ts";
import { PluginError } from "../failure/failure.ts";

/** Names of the lockfiles that are followed, the first that is there. */
export const LOCKFILES = [
  "bun.lock",
  "npm-shrinkwrap.json",
  "package-lock.json",
  "yarn.lock",
  "pnpm-lock.yaml",
] as const;

export type Lockfile = (typeof LOCKFILES)[number];

/** What to do about a bun.lock that can't be used. */
export const ANEW = 'make it anew with "bun install" or "xcore plugin pack"';

/** What a bun.lock says that matters here. */
export interface BunLock {
  /** Whether it gives the same packages on every machine: none of them is for some systems only. */
  readonly isPortable: boolean;
  /** Digests by package, "left@1.0.0". */
  readonly digests: ReadonlyMap<string, string>;
}

/** An entry of a package: `["left@1.0.0", "<URL>", { … }, "sha512-…"]`. */
interface LockedPackage {
  /** What is installed where: "left", or "right/left" for one inside of another. */
  readonly key: string;
  readonly id: string;
  readonly info: Readonly<Record<string, unknown>>;
  /** Null when it has none that Bun would compare. */
  readonly digest: string | null;
}

const DIGEST_BYTES: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };
const NESTED = /^(?:@[^/]+\/[^/]+|[^@/][^/]*)\//;

/**
 * Reads a bun.lock, whose packages must all come from the registry and with a digest: only then it says what
 * exactly is installed.
 *
 * @throws PluginError that names the package which doesn't
 */
export function readBunLock(content: Uint8Array): BunLock {
  const { document, packages } = parseBunLock(content);
  const lineOf = (key: string): number => document.positionOf(["packages", key], "key").line;
  const locked = Object.entries(packages).map(([key, entry]) => {
    const read = readEntry(key, entry);
    if (read !== null) return read;
    const id: unknown = Array.isArray(entry) ? entry[0] : undefined;
    throw invalid(`"${String(id)}" doesn't come from the registry`, lineOf(key));
  });
  const digests = new Map(
    locked.flatMap(({ id, digest }) => (digest === null ? [] : [[id, digest] as const])),
  );
  for (const { key, id, info, digest } of locked) {
    // It may come inside of another package, with that one's digest. Bun fetches it when it stands elsewhere too.
    const isInside = info["bundled"] === true && NESTED.test(key) && !digests.has(id);
    if (digest === null && !isInside) throw invalid(`"${id}" has no digest`, lineOf(key));
  }
  const isPortable = !locked.some(({ info }) => ["os", "cpu", "libc"].some((key) => info[key] !== undefined));
  return { isPortable, digests };
}

/**
 * Returns the text of a bun.lock as `readBunLock` has read it, without the URLs that lead elsewhere than to the given
 * origins: Bun would ask any host that a lockfile names. It asks its registry for the packages of the others.
 */
export function toRegistryLock(content: Uint8Array, origins: ReadonlySet<string>): string {
  const { lock, packages } = parseBunLock(content);
  const kept = Object.entries(packages).map(([key, [id, url, ...rest]]) => {
    const isKept = origins.has(URL.parse(String(url))?.origin ?? "");
    return [key, [id, isKept ? url : "", ...rest]] as const;
  });
  return JSON.stringify({ ...lock, packages: Object.fromEntries(kept) });
}

function parseBunLock(content: Uint8Array): {
  document: JsonDocument;
  lock: Record<string, unknown>;
  packages: Record<string, unknown[]>;
} {
  const document = parseJsonDocument(new TextDecoder().decode(content));
  const { value, faults } = document;
  const [fault] = faults;
  if (fault !== undefined) {
    throw new PluginError("install", `Cannot read bun.lock: ${fault.message}; ${ANEW}`, {
      file: "bun.lock",
      line: fault.position.line,
    });
  }
  const packages = isRecord(value) ? (value["packages"] ?? {}) : null;
  if (!isRecord(value) || !isRecord(packages)) throw invalid("it has no packages");
  return { document, lock: value, packages: packages as Record<string, unknown[]> };
}

/** Returns null for a package that doesn't come from the registry. */
function readEntry(key: string, entry: unknown): LockedPackage | null {
  const [id, url, info, integrity] = Array.isArray(entry) ? (entry as unknown[]) : [];
  const version = typeof id === "string" ? id.slice(id.indexOf("@", 1) + 1) : "";
  if (typeof id !== "string" || valid(version) === null || typeof url !== "string" || !isRecord(info))
    return null;
  return { key, id, info, digest: isDigest(integrity) ? integrity : null };
}

/** Bun doesn't compare what it can't read: a digest that is cut off, or of another form. */
function isDigest(text: unknown): text is string {
  if (typeof text !== "string") return false;
  const [, algorithm = "", encoded = ""] = /^(\w+)-(.*)$/s.exec(text) ?? [];
  const bytes = Buffer.from(encoded, "base64");
  return bytes.length === DIGEST_BYTES[algorithm] && bytes.toString("base64") === encoded;
}

function invalid(reason: string, line?: number): PluginError {
  return new PluginError("install", `Cannot use bun.lock: ${reason}; ${ANEW}`, {
    file: "bun.lock",
    line: line ?? null,
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
