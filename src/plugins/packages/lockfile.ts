import { valid } from "semver";
import { parseJsonDocument } from "../../config/json-document.ts";
import { PluginError } from "../failure.ts";

/** Names of the lockfiles that are followed, the first that is there. */
export const LOCKFILES = ["bun.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml"] as const;

/** What a bun.lock says that matters here. */
export interface BunLock {
  /** Whether it gives the same packages on every machine: none of them is for some systems only. */
  readonly isPortable: boolean;
}

const INTEGRITY = /^sha(1|256|384|512)-[A-Za-z0-9+/]+=*$/;

/**
 * Reads a bun.lock, whose packages must all come from the registry and with a digest: only then it says what
 * exactly is installed.
 *
 * @throws PluginError that names the package which doesn't
 */
export function readBunLock(content: Uint8Array): BunLock {
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
  if (!isRecord(packages)) throw invalid("it has no packages");
  let isPortable = true;
  for (const [key, entry] of Object.entries(packages)) {
    const { problem, isConstrained } = readEntry(entry);
    if (problem !== null) throw invalid(problem, document.positionOf(["packages", key], "key").line);
    isPortable &&= !isConstrained;
  }
  return { isPortable };
}

/** An entry of a package from the registry: `["left@1.0.0", "<URL>", { … }, "sha512-…"]`. */
function readEntry(entry: unknown): { problem: string | null; isConstrained: boolean } {
  const [id, , info, integrity] = Array.isArray(entry) ? (entry as unknown[]) : [];
  const version = typeof id === "string" ? id.slice(id.indexOf("@", 1) + 1) : "";
  if (typeof id !== "string" || valid(version) === null || !isRecord(info)) {
    return { problem: `"${String(id)}" doesn't come from the registry`, isConstrained: false };
  }
  const isBundled = info["bundled"] === true; // It comes inside of another package, with that one's digest.
  const hasDigest = typeof integrity === "string" && INTEGRITY.test(integrity);
  const problem = isBundled || hasDigest ? null : `"${id}" has no digest`;
  return { problem, isConstrained: ["os", "cpu", "libc"].some((key) => info[key] !== undefined) };
}

const ANEW = 'make it anew with "bun install" or "xcore plugin pack"';

function invalid(reason: string, line?: number): PluginError {
  return new PluginError("install", `Cannot use bun.lock: ${reason}; ${ANEW}`, {
    file: "bun.lock",
    line: line ?? null,
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
