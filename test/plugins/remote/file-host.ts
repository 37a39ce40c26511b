import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { writeTar } from "../../../src/files/tar.ts";
import { FetchError } from "../../../src/plugins/failure/failure.ts";
import {
  type FetchedPlugin,
  type FetchLimits,
  type FetchOptions,
  fetchPlugin,
} from "../../../src/plugins/remote/fetch/fetch.ts";
import { parseLocation } from "../../../src/plugins/remote/fetch/location.ts";

/** What a host has at a path: a text, JSON, bytes, or an answer of its own. */
export type Served = string | object | Uint8Array | ((request: Request) => Response | Promise<Response>);

const TYPES: Readonly<Record<string, string>> = {
  ts: "video/mp2t",
  html: "text/html",
  json: "application/json",
};

/** A host of plugins on a free port of this machine; its files can be changed at any time. */
export class FileHost implements AsyncDisposable {
  readonly files: Map<string, Served>;
  /** Path of each request so far. */
  readonly requests: string[] = [];
  /** The `Host` header of each request so far. */
  readonly hostHeaders: (string | null)[] = [];
  readonly #server: Bun.Server<undefined>;
  readonly #scheme: string;

  constructor(files: Readonly<Record<string, Served>>, tls?: { key: string; cert: string }) {
    this.files = new Map(Object.entries(files));
    this.#scheme = tls === undefined ? "http" : "https";
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      ...(tls === undefined ? {} : { tls }),
      fetch: (request) => this.#answer(request),
    });
  }

  /** "localhost:8080" */
  get host(): string {
    return `localhost:${this.#server.port}`;
  }

  url(path: string, hostname = "127.0.0.1"): string {
    return `${this.#scheme}://${hostname}:${this.#server.port}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }

  #answer(request: Request): Response | Promise<Response> {
    const { pathname } = new URL(request.url);
    this.requests.push(pathname);
    this.hostHeaders.push(request.headers.get("host"));
    const served = this.files.get(decodeURIComponent(pathname));
    if (served === undefined) return new Response("nothing here", { status: 404 });
    if (typeof served === "function") return served(request) as Response;
    const type = TYPES[pathname.split(".").at(-1) ?? ""] ?? "application/octet-stream";
    const isBytes = served instanceof Uint8Array;
    const body = typeof served === "string" || isBytes ? served : JSON.stringify(served);
    return new Response(body as BodyInit, { headers: { "content-type": type } });
  }
}

/** A host that speaks as a test says, byte by byte. */
export class RawHost implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param answer called with the connection once a request has come */
  static start(answer: (socket: Socket) => void): Promise<RawHost> {
    const { promise, resolve } = Promise.withResolvers<RawHost>();
    const server = createServer();
    const host = new RawHost(server);
    server.on("connection", (socket) => {
      host.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("data", () => answer(socket));
    });
    server.listen(0, "127.0.0.1", () => resolve(host));
    return promise;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }
}

/** An answer that sends elsewhere. */
export function redirectTo(url: string, status = 302): () => Response {
  return () => new Response(null, { status, headers: { location: url } });
}

export interface FetchTestOptions extends Partial<Omit<FetchOptions, "limits">> {
  readonly limits?: Partial<FetchLimits>;
}

/** Options of a fetch with short limits. */
export function fetchOptions({ limits, ...options }: FetchTestOptions = {}): FetchOptions {
  return {
    limits: {
      timeoutMs: 10_000,
      maxBytes: 1_000_000,
      maxRedirects: 5,
      allowHosts: [],
      isOffline: false,
      ...limits,
    },
    tmp: "/nonexistent/tmp",
    projectDirectory: "/nonexistent",
    ...options,
  };
}

export function fetchFrom(place: string, options: FetchTestOptions = {}): Promise<FetchedPlugin> {
  return fetchPlugin(parseLocation(place, "/"), fetchOptions(options));
}

/** The error with which a fetch fails. */
export async function failureOf(fetched: Promise<unknown>): Promise<FetchError> {
  const error: unknown = await fetched.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof FetchError) return error;
  throw error instanceof Error ? error : new Error("Expected a FetchError, nothing failed");
}

/** The texts of a snapshot's files by name, in order of name. */
export function textsOf({ snapshot }: FetchedPlugin): Record<string, string> {
  const names = [...snapshot.files.keys()].toSorted();
  return Object.fromEntries(
    names.map((name) => [name, Buffer.from(snapshot.files.get(name) ?? []).toString()]),
  );
}

export function namesOf({ snapshot }: FetchedPlugin): string[] {
  return [...snapshot.files.keys()].toSorted();
}

/** A .tgz of files in their order. */
export async function toArchive(
  files: readonly (readonly [name: string, content: string])[],
): Promise<Uint8Array<ArrayBuffer>> {
  return Bun.gzipSync(await toTar(files));
}

export async function toTar(
  files: readonly (readonly [name: string, content: string])[],
): Promise<Buffer<ArrayBuffer>> {
  const entries = files.map(([name, content]) => {
    const bytes = Buffer.from(content);
    return { name, size: bytes.length, content: new Blob([bytes]).stream() };
  });
  return Buffer.concat(await Array.fromAsync(writeTar(entries)));
}

/** A key and a certificate of itself for names, such as "DNS:localhost". */
export async function createCertificate(
  folder: string,
  names: string,
): Promise<{ key: string; cert: string }> {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const made = Bun.spawn(
    [
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",

      "-keyout",
      key,
      "-out",
      cert,
      "-days",
      "2",
      "-subj",
      "/CN=test",
      "-addext",
      `subjectAltName=${names}`,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  if ((await made.exited) !== 0) throw new Error(await new Response(made.stderr).text());
  return { key: await Bun.file(key).text(), cert: await Bun.file(cert).text() };
}
