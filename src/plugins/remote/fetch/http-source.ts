import { isArchiveName, takeArchive } from "./archive.ts";
import { FetchBudget } from "./budget.ts";
import { DEFAULT_ENTRY, TSX_ENTRY } from "../../source/manifest.ts";
import { FetchError } from "../../failure/failure.ts";
import type { FetchWork, FoundPlugin } from "./fetch.ts";
import { assertNoPage, type HttpFile, toSubject } from "./http-answer.ts";
import { type Location, toBasename } from "./location.ts";
import { isCodeName, ModuleGraph } from "./module-graph.ts";
import { isFilePath, nameImport, signatureNameOf } from "../../snapshot/snapshot.ts";
import { parseJsonDocument } from "../../../config/json/document.ts";

const MANIFEST = "plugin.json";
const MAX_SIGNATURES = 64 * 1024; // bytes
/** Statuses that say that there is no signature; some hosts of files answer 403 for what isn't there. */
const NOT_THERE = new Set([403, 404, 410]);

type HttpLocation = Extract<Location, { kind: "http" }>;
type EntryKind = "archive" | "manifest" | "module";

/**
 * Fetches a plugin by HTTP: an archive, a folder of files that begins with its plugin.json, or one module. The
 * ending of a URL says which: that of the URL where its host redirects to, or else that of the URL asked for.
 */
export async function fetchOverHttp(location: HttpLocation, work: FetchWork): Promise<FoundPlugin> {
  const { client, budget, limits } = work;
  const asked = { url: location.url, reason: null };
  // What is downloaded of an archive is no part of the plugin.
  const file = await client.follow({ ...asked, budget: new FetchBudget(limits.maxBytes) });
  const kind = kindOf(file.url) ?? kindOf(location.url);
  if (kind === null) throw unknownKind(location);
  assertNoPage(file, asked);
  // A host of downloads may redirect to a name that says nothing: then the one asked for counts.
  const base = kindOf(file.url) === null ? location.url : file.url;
  if (kind === "archive") {
    const signatures = await fetchSignatures(base, location, work);
    return {
      location,
      snapshot: await takeArchive(file.content, { subject: toSubject(asked), signatures }, work),
    };
  }
  const entry = kind === "manifest" ? MANIFEST : toBasename(base);
  if (entry === null) throw unknownKind(location);
  budget.takeBytes(file.content.length, toSubject(asked));
  budget.takeFile(toSubject(asked));
  const graph = new ModuleGraph({ ...work, root: new URL(".", base) });
  if (kind === "manifest") graph.list(readServedManifest(file.content, toSubject(asked)), MANIFEST);
  graph.add(new Map([[entry, file.content]]));
  const [signatures, { files, redirects }] = await Promise.all([
    fetchSignatures(base, location, work),
    graph.finish(),
  ]);
  return { location, snapshot: { entry, files, redirects, signatures } };
}

/** Which kind of entry a URL names; null for none. */
function kindOf(url: URL): EntryKind | null {
  const name = toBasename(url);
  if (name === null) return null;
  if (name === MANIFEST) return "manifest";
  if (isArchiveName(name)) return "archive";
  return isCodeName(name) ? "module" : null;
}

function unknownKind({ text }: HttpLocation): FetchError {
  const advice = "name a plugin.json, a .tgz, or a module: .ts, .tsx, .js, .jsx, .mts, .mjs";
  return new FetchError(`Cannot fetch "${text}": its ending doesn't say what it is; ${advice}`);
}

/**
 * Fetches the signatures beside an entry. A host that can't be asked for them fails the plugin: taken for unsigned,
 * it would be refused where keys are trusted, and another try might give them.
 *
 * @returns null when there are none
 */
async function fetchSignatures(
  base: URL,
  { url }: HttpLocation,
  work: FetchWork,
): Promise<Uint8Array | null> {
  const found = await fetchSignatureFile(base, work);
  if (found !== null || base.href === url.href) return found;
  return fetchSignatureFile(url, work);
}

async function fetchSignatureFile(entry: URL, { client }: FetchWork): Promise<Uint8Array | null> {
  const url = new URL(entry);
  url.pathname = signatureNameOf(url.pathname);
  url.search = "";
  const reason = "the file of its signatures";
  const budget = new FetchBudget(MAX_SIGNATURES, "sign the plugin anew");
  try {
    const file = await client.follow({ url, budget, reason });
    return isPage(file) ? null : file.content;
  } catch (error) {
    if (error instanceof FetchError && NOT_THERE.has(error.status ?? 0)) return null;
    throw error;
  }
}

/** Hosts of applications with one page answer with it whatever is asked for. */
function isPage({ type }: HttpFile): boolean {
  return type === "text/html";
}

/**
 * Returns the files that a plugin.json names: its entry, and what `files` lists. The rest of it is for whoever loads
 * the plugin.
 *
 * @param subject what errors call it
 */
function readServedManifest(content: Uint8Array, subject: string): string[] {
  const { value, faults } = parseJsonDocument(new TextDecoder().decode(content));
  const [fault] = faults;
  if (fault !== undefined) {
    const { line, column } = fault.position;
    throw new FetchError(`Cannot read ${subject}: ${fault.message} (line ${line}, column ${column})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FetchError(`Cannot read ${subject}: expected a JSON object`);
  }
  const { files = [], ...named } = value as { entry?: unknown; files?: unknown };
  const isTsx = Array.isArray(files) && files.includes(TSX_ENTRY) && !files.includes(DEFAULT_ENTRY);
  const { entry = isTsx ? TSX_ENTRY : DEFAULT_ENTRY } = named;
  const main = typeof entry === "string" ? nameImport(MANIFEST, `./${entry}`) : null;
  if (main === null || !isFilePath(main)) {
    throw new FetchError(
      `Cannot use "entry" of ${subject}: it is no path of a file in its folder; name one such as "run.ts"`,
    );
  }
  if (!Array.isArray(files) || !files.every((file) => typeof file === "string" && isFilePath(file))) {
    throw new FetchError(
      `Cannot use "files" of ${subject}: expected paths of files in its folder; "xcore plugin pack --folder" writes them`,
    );
  }
  const names = [main, ...(files as string[])];
  return names.filter((name) => name !== MANIFEST && name !== signatureNameOf(MANIFEST));
}
