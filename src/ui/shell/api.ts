import { fail } from "../../errors/codes.ts";
import { AppError } from "../../errors/errors.ts";
import type { Problem } from "../../errors/problem.ts";
import { markProbe } from "../../web/answers.ts";

/** What a query may be made of: lists give their name several times, null and undefined none. */
export type Query = Readonly<Record<string, QueryValue | readonly QueryValue[]>>;
type QueryValue = string | number | boolean | null | undefined;

export interface Call {
  readonly query?: Query;
  /** Sent as JSON, but for a form with files and bytes. @default none */
  readonly body?: unknown;
  /** To add, such as `if-match`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether it is asked only to find out whether the client may: it tries nothing then. @default false */
  readonly isProbe?: boolean;
}

/** An answer of the API that is none of an error. */
export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

export interface ApiOptions {
  /** Answers a request for the client of another. */
  readonly answerFor: (client: Request, request: Request) => Promise<Response>;
  /** Returns what shows that a page of ours has sent what the client does; null where nothing has to. */
  readonly proofFor: (client: Request) => string | null;
}

/** An error that the API has answered with; nobody has logged less of it for its being asked in here. */
export class ApiProblem extends AppError {
  readonly problem: Problem;

  constructor(problem: Problem, headers: Readonly<Record<string, string>>) {
    const { code, status, detail, errors } = problem;
    super(code, status, detail, { headers, ...(errors && { errors }) });
    this.problem = problem;
  }

  /** What is wrong with each field of a form, by its name: "/body/name" is of "name", "/body/a/b" of "a.b". */
  get fields(): Readonly<Record<string, string>> {
    const entries = (this.errors ?? []).flatMap(({ path, message }) => {
      const [, part = "", ...names] = path.split("/");
      return part === "body" && names.length > 0 ? [[names.join("."), message] as const] : [];
    });
    return Object.fromEntries(entries.toReversed());
  }
}

interface Part<Item> {
  readonly items: readonly Item[];
  readonly next?: string;
}

/** What a page shows at most of a list that it doesn't turn the pages of. */
const MAX_LISTED = 2000;

/** What is said of a client and by it, and holds for what is asked in its name too. */
const FORWARDED = [
  "cookie",
  "authorization",
  "x-api-key",
  "user-agent",
  "accept-language",
  "host",
  "origin",
  "sec-fetch-site",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
];
/** What an error says beside its body. */
const TOLD = ["retry-after", "www-authenticate", "allow"];

/**
 * The JSON API, asked within the process in the name of a client: by the same guards, checks and records as if it had
 * asked itself. Each method throws an `ApiProblem` for an answer that is an error.
 */
export class Api {
  readonly #client: Request;
  readonly #options: ApiOptions;

  constructor(client: Request, options: ApiOptions) {
    this.#client = client;
    this.#options = options;
  }

  async get<Body>(path: string, query: Query = {}): Promise<Body> {
    return (await this.ask<Body>("GET", path, { query })).body;
  }

  async post<Body>(path: string, body?: unknown, call: Call = {}): Promise<Body> {
    return (await this.ask<Body>("POST", path, { body, ...call })).body;
  }

  async put<Body>(path: string, body?: unknown, call: Call = {}): Promise<Body> {
    return (await this.ask<Body>("PUT", path, { body, ...call })).body;
  }

  async patch<Body>(path: string, body?: unknown, call: Call = {}): Promise<Body> {
    return (await this.ask<Body>("PATCH", path, { body, ...call })).body;
  }

  async delete<Body = void>(path: string, call: Call = {}): Promise<Body> {
    return (await this.ask<Body>("DELETE", path, call)).body;
  }

  /** Whether the client may ask for this: null instead of what is refused, for parts of a page that others do without. */
  async getIfAllowed<Body>(path: string, query: Query = {}): Promise<Body | null> {
    try {
      return (await this.ask<Body>("GET", path, { query, isProbe: true })).body;
    } catch (error) {
      if (error instanceof AppError && (error.status === 403 || error.status === 404)) return null;
      throw error;
    }
  }

  /** Reads a list to its end, or to `MAX_LISTED` items of it. */
  async getAll<Item>(path: string, query: Query = {}): Promise<Item[]> {
    const items: Item[] = [];
    let after: string | undefined;
    do {
      // oxlint-disable-next-line no-await-in-loop -- each page says where the next one begins
      const list = await this.get<Part<Item>>(path, { ...query, per_page: 100, total: false, after });
      items.push(...list.items);
      after = list.next;
    } while (after !== undefined && items.length < MAX_LISTED);
    return items;
  }

  /** Asks with any method; the answer has its headers too, such as `etag`. */
  async ask<Body>(method: string, path: string, call: Call = {}): Promise<Answer<Body>> {
    const answer = await this.fetch(method, path, call);
    const text = await answer.text();
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    return { status: answer.status, headers: answer.headers, body: body as Body };
  }

  /** Asks for what is no JSON, such as a file, to be passed on as it is. */
  async fetch(
    method: string,
    path: string,
    { query = {}, body, headers, isProbe = false }: Call = {},
  ): Promise<Response> {
    const sent = new Headers(toHeaders(headers));
    if (!sent.has("accept")) sent.set("accept", "application/json");
    for (const name of FORWARDED) {
      const value = this.#client.headers.get(name);
      if (value !== null) sent.set(name, value);
    }
    const proof = this.#options.proofFor(this.#client);
    if (proof !== null) sent.set("x-csrf-token", proof);
    const isRaw = body instanceof FormData || body instanceof Blob || body instanceof ReadableStream;
    if (body !== undefined && !isRaw) sent.set("content-type", "application/json");
    const request = new Request(toUrl(this.#client, path, query), {
      method,
      headers: sent,
      signal: this.#client.signal,
      ...(body !== undefined && { body: isRaw ? body : JSON.stringify(body) }),
    });
    if (isProbe) markProbe(request);
    const answer = await this.#options.answerFor(this.#client, request);
    if (answer.status >= 400) throw await toProblem(answer);
    return answer;
  }
}

/** Returns what a form of filters asks for: fields that are left empty ask for nothing. */
export function toFilters(query: Query): Query {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ""));
}

/** @throws AppError not_found for a path that leads elsewhere: an id in it was "..", which no escaping keeps from that */
function toUrl(client: Request, path: string, query: Query): URL {
  if (path.split("/").some((part) => part === "." || part === "..")) {
    throw fail("not_found", "Nothing is served at this path");
  }
  const url = new URL(path, client.url);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) {
      if (one !== null && one !== undefined) url.searchParams.append(name, String(one));
    }
  }
  return url;
}

/** What a form has sent for one, such as a version, may hold what no header can. */
function toHeaders(headers: Call["headers"] = {}): Record<string, string> {
  const entries = Object.entries(headers);
  return Object.fromEntries(entries.map(([name, value]) => [name, value.replaceAll(/[^ -~]/g, "?")]));
}

async function toProblem(answer: Response): Promise<ApiProblem> {
  const { headers } = answer;
  const told = TOLD.flatMap((name) => (headers.has(name) ? [[name, headers.get(name) ?? ""]] : []));
  return new ApiProblem((await answer.json()) as Problem, Object.fromEntries(told));
}
