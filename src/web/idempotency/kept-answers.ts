import { eq, lt } from "drizzle-orm";
import type { Database } from "../../db/contract/database.ts";
import type { CoreTables } from "../../db/schema/core-tables.ts";
import type { OwnedOptions } from "../../db/transactions/owner.ts";
import { fail } from "../../errors/codes.ts";
import { sha256 } from "../../files/sha256.ts";
import { type KeepOptions, KEY_HEADER } from "./idempotent-routes.ts";

export interface KeptAnswersOptions {
  readonly db: Database;
  readonly table: CoreTables["idempotencyKeys"];
  /** Encrypts what is kept: an answer may hold anything. */
  readonly box: {
    seal(text: string, context: string): Promise<string>;
    open(sealed: string, context: string): Promise<string>;
  };
  /** Without it nobody can try what a request held, such as a password, by what is kept of it. */
  readonly fingerprintKey: Uint8Array;
  /** Names who makes a request: a key belongs to them. */
  readonly ownerOf: (request: Request) => string;
  /** In ms since the epoch. @default Date.now */
  readonly now?: () => number;
}

/** What is kept of an answer. */
interface KeptAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** In base64; null for one that is too large. */
  readonly body: string | null;
}

/** An answer, and what of it can be kept. */
interface Captured {
  readonly response: Response;
  readonly kept: KeptAnswer;
}

const KEPT_MS = 24 * 60 * 60 * 1000;
const MAX_KEY_LENGTH = 255;
const MAX_BODY = 1024 * 1024; // bytes
/** Of an answer; the others are made anew, or are for one answer alone, such as cookies. */
const KEPT_HEADERS = [
  "cache-control",
  "content-disposition",
  "content-language",
  "content-type",
  "etag",
  "last-modified",
  "link",
  "location",
  "preference-applied",
];
/** Refusals of who asks, or when, and not of what is asked for (RFC 9110, RFC 8470, RFC 6585): they may pass. */
const PASSING = new Set([401, 403, 408, 425, 429]);

/** Thrown to undo a request that is to be done anew when it is sent again. */
class NotKept extends Error {}
/** Thrown where another process has answered the request meanwhile. */
class Taken extends Error {}

/**
 * Keeps what requests with an `Idempotency-Key` were answered, for 24 hours, in the transaction of what they wrote: sent
 * again, a request gets its first answer, and nothing is done twice.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
export class KeptAnswers {
  readonly #options: KeptAnswersOptions;
  readonly #now: () => number;
  /** Those under way in this process; another waits for the row of ours in the database. */
  readonly #running = new Set<string>();

  constructor(options: KeptAnswersOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Answers a request as it was answered before, or by `run`: all that it does with the database is one transaction,
   * unless the route wants none.
   *
   * @throws AppError idempotency_key_invalid, idempotency_key_in_use, idempotency_key_reused, idempotency_answer_lost
   */
  async answer(
    request: Request,
    run: () => Promise<unknown>,
    { isolation = "read committed", transaction = true, owner = null }: KeepOptions,
  ): Promise<Response> {
    const key = readKey(request.headers.get(KEY_HEADER));
    const id = digest([this.#options.ownerOf(request), key]);
    const fingerprint = await this.#toFingerprint(request);
    if (this.#running.has(id)) throw inUse();
    this.#running.add(id);
    try {
      const kept = await this.#find(id);
      if (kept !== null) return await this.#replay(kept, fingerprint);
      if (!transaction) return await this.#answerApart({ id, fingerprint }, run);
      const own: OwnedOptions = { isolation, isAmbient: true, ...(owner && { owner }) };
      return await this.#answerFirst({ id, fingerprint }, run, own);
    } finally {
      this.#running.delete(id);
    }
  }

  /** Forgets the answers whose time is over. */
  async purge(): Promise<void> {
    const { db, table } = this.#options;
    await db.delete(table).where(lt(table.expires_at, new Date(this.#now())));
  }

  async #answerFirst(
    { id, fingerprint }: { readonly id: string; readonly fingerprint: string },
    run: () => Promise<unknown>,
    options: OwnedOptions,
  ): Promise<Response> {
    const { db, table, box } = this.#options;
    const expires = new Date(this.#now() + KEPT_MS);
    let first: Captured | null = null;
    try {
      await db.transaction(async (tx) => {
        const claim = tx.insert(table).values({ id, fingerprint, expires_at: expires });
        if ((await claim.onConflictDoNothing()).rowsAffected === 0) throw new Taken();
        first = await capture(await run());
        if (first.response.status >= 500) throw new NotKept();
        const answer = isKept(first) ? await box.seal(JSON.stringify(first.kept), id) : null;
        if (answer === null) await tx.delete(table).where(eq(table.id, id));
        else await tx.update(table).set({ answer }).where(eq(table.id, id));
      }, options);
    } catch (error) {
      const captured = first as Captured | null;
      if (error instanceof Taken) return this.#answerTaken(id, fingerprint);
      // Where a statement was refused, PostgreSQL undoes all: what refuses the request still tells why.
      if (captured === null || captured.response.status < 400) throw error;
      return captured.response;
    }
    return (first as unknown as Captured).response;
  }

  /** Keeps the answer once what it tells of is done: what ends the process in between has it done again. */
  async #answerApart(
    { id, fingerprint }: { readonly id: string; readonly fingerprint: string },
    run: () => Promise<unknown>,
  ): Promise<Response> {
    const { db, table, box } = this.#options;
    const first = await capture(await run());
    if (!isKept(first)) return first.response;
    const answer = await box.seal(JSON.stringify(first.kept), id);
    const row = { id, fingerprint, answer, expires_at: new Date(this.#now() + KEPT_MS) };
    // It is done, whether that can be kept or not.
    await Promise.allSettled([db.insert(table).values(row).onConflictDoNothing()]);
    return first.response;
  }

  async #answerTaken(id: string, fingerprint: string): Promise<Response> {
    const kept = await this.#find(id);
    if (kept === null) throw inUse();
    return this.#replay(kept, fingerprint);
  }

  async #find(id: string) {
    const { db, table } = this.#options;
    const [row] = await db.select().from(table).where(eq(table.id, id));
    if (row === undefined || row.expires_at.getTime() > this.#now()) return row ?? null;
    await this.purge();
    return null;
  }

  async #replay(
    { id, fingerprint, answer }: CoreTables["idempotencyKeys"]["$inferSelect"],
    asked: string,
  ): Promise<Response> {
    if (fingerprint !== asked) {
      const message = `Cannot use the ${KEY_HEADER} again: it came with another request; take a new key`;
      throw fail("idempotency_key_reused", message);
    }
    const kept = answer === null ? null : await this.#open(answer, id);
    if (kept === null || kept.body === null) {
      const message = "The request was carried out, and its answer wasn't kept: read what it has made";
      throw fail("idempotency_answer_lost", message);
    }
    const { status, headers, body } = kept;
    const response = new Response(isBodiless(status) ? null : Buffer.from(body, "base64"), { status });
    for (const [name, value] of headers) response.headers.set(name, value);
    response.headers.set("idempotent-replayed", "true");
    return response;
  }

  /** What a request asks for, in a form that tells it apart from any other. */
  async #toFingerprint(request: Request): Promise<string> {
    const { pathname, search } = new URL(request.url);
    // The handler reads the other one.
    const body = await request.clone().bytes();
    const type = request.headers.get("content-type") ?? "";
    const { fingerprintKey } = this.#options;
    const [ownType, ownBody] = withoutBoundary(type, body);
    const hash = new Bun.CryptoHasher("sha256", fingerprintKey).update(ownBody).digest("hex");
    return digest([request.method, pathname + search, ownType, hash]);
  }

  /** Null when it was sealed with another secret key. */
  async #open(sealed: string, id: string): Promise<KeptAnswer | null> {
    try {
      return JSON.parse(await this.#options.box.open(sealed, id)) as KeptAnswer;
    } catch {
      return null;
    }
  }
}

/** @throws AppError idempotency_key_invalid */
function readKey(header: string | null): string {
  // A string of structured fields (RFC 9651), as the draft has it, or the same without quotes.
  const key = header === null ? "" : (/^"([^"\\]*)"$/.exec(header)?.[1] ?? header);
  if (/^[!-~]+$/.test(key) && key.length <= MAX_KEY_LENGTH) return key;
  const message =
    header === null
      ? `Send an ${KEY_HEADER} header with this request, such as a new UUID`
      : `Cannot take the ${KEY_HEADER}: expected 1 to ${MAX_KEY_LENGTH} visible characters of ASCII, such as a UUID`;
  throw fail("idempotency_key_invalid", message);
}

/** A form that is sent again is written anew, with another boundary between its parts. */
function withoutBoundary(type: string, body: Uint8Array): readonly [type: string, body: Uint8Array] {
  const boundary = /^multipart\/form-data\s*;\s*boundary="?([^";]+)"?$/i.exec(type)?.[1];
  if (boundary === undefined) return [type, body];
  const text = Buffer.from(body).toString("latin1").replaceAll(`--${boundary}`, "--\0");
  return ["multipart/form-data", Buffer.from(text, "latin1")];
}

function isKept({ response: { status } }: Captured): boolean {
  return status < 500 && !PASSING.has(status);
}

function digest(parts: readonly string[]): string {
  return sha256(JSON.stringify(parts));
}

function inUse() {
  const message = `A request with this ${KEY_HEADER} is under way: wait for its answer`;
  return fail("idempotency_key_in_use", message, { headers: { "retry-after": "1" } });
}

/** Reads an answer, as far as it can be kept; what is longer goes on to the client as it comes. */
async function capture(answer: unknown): Promise<Captured> {
  if (!(answer instanceof Response))
    throw new TypeError("Cannot keep an answer: a route with keys answers HTTP");
  const { status, statusText, headers } = answer;
  const kept = KEPT_HEADERS.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  if (answer.body === null) return { response: answer, kept: { status, headers: kept, body: "" } };
  if (headers.get("content-type")?.startsWith("text/event-stream") === true) {
    return { response: answer, kept: { status, headers: kept, body: null } };
  }
  const reader = answer.body.getReader() as ReadableStreamDefaultReader<string | BufferSource>;
  const chunks: Uint8Array[] = [];
  let length = 0;
  let isWhole = false;
  while (!isWhole && length <= MAX_BODY) {
    // oxlint-disable-next-line no-await-in-loop -- one piece after another
    const { done, value } = await reader.read();
    isWhole = done;
    const chunk = toBytes(value);
    chunks.push(chunk);
    length += chunk.byteLength;
  }
  const read = Buffer.concat(chunks);
  const body = isWhole ? read : goOn(read, reader);
  const response = new Response(isBodiless(status) ? null : body, { status, statusText, headers });
  return { response, kept: { status, headers: kept, body: isWhole ? read.toString("base64") : null } };
}

/** A stream of a plugin's may give text, or any other bytes. */
function toBytes(chunk: string | BufferSource | undefined): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return Buffer.from(chunk ?? "");
}

function goOn(
  read: Uint8Array,
  reader: ReadableStreamDefaultReader<string | BufferSource>,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(read),
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(toBytes(value));
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}
