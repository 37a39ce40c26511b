import { writeTar } from "../../../src/files/tar.ts";

/** Files of a package by path, package.json left out or not; objects are written as JSON. */
export type PackageFiles = Readonly<Record<string, string | object>>;

interface RegistryOptions {
  /** Whom it answers: 401 without `Authorization: Bearer <token>`. @default everybody */
  readonly token?: string;
}

interface Release {
  readonly manifest: Record<string, unknown>;
  readonly tarball: Uint8Array<ArrayBuffer>;
}

/** A little npm registry on a free port, with packages made of what a test says. */
export class TestRegistry {
  /** Method and path of each request so far. */
  readonly requests: string[] = [];
  readonly #releases = new Map<string, Map<string, Release>>();
  readonly #server: Bun.Server<undefined>;
  readonly #asked = Promise.withResolvers<void>();
  #held: Promise<void> | null = null;

  private constructor({ token }: RegistryOptions) {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        const path = decodeURIComponent(new URL(request.url).pathname);
        this.requests.push(`${request.method} ${path}`);
        if (token !== undefined && request.headers.get("authorization") !== `Bearer ${token}`) {
          return new Response("who are you?", { status: 401 });
        }
        if (path.endsWith(".tgz")) {
          this.#asked.resolve();
          await this.#held;
        }
        return this.#answer(path);
      },
    });
  }

  /** @param packages files by name and version: `{ "left@1.0.0": { "index.js": "…" } }`; the last one is "latest" */
  static async start(
    packages: Readonly<Record<string, PackageFiles>>,
    options: RegistryOptions = {},
  ): Promise<TestRegistry> {
    const registry = new TestRegistry(options);
    for (const [id, files] of Object.entries(packages)) await registry.publish(id, files);
    return registry;
  }

  /** "http://127.0.0.1:12345/" */
  get url(): string {
    return this.#server.url.href;
  }

  /** What an `.npmrc` says for packages to come from here. */
  get npmrc(): string {
    return `registry=${this.url}\n`;
  }

  /** Resolves once a package itself was asked for. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }

  /** How often packages themselves were asked for. */
  get downloads(): number {
    return this.requests.filter((request) => request.endsWith(".tgz")).length;
  }

  /** Adds a version of a package. */
  async publish(id: string, files: PackageFiles): Promise<void> {
    const [, name = "", version = ""] = /^(.+)@(.+)$/.exec(id) ?? [];
    const manifest = { name, version, ...(files["package.json"] as object | undefined) };
    const releases = this.#releases.getOrInsert(name, new Map<string, Release>());
    releases.set(version, { manifest, tarball: await toTarball({ ...files, "package.json": manifest }) });
  }

  /** Keeps whoever asks for a package waiting, until the function that it returns is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return () => {
      this.#held = null;
      resolve();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }

  #answer(path: string): Response {
    const [, name = "", file] = /^\/((?:@[^/]+\/)?[^/]+)(?:\/-\/([^/]+))?$/.exec(path) ?? [];
    const releases = this.#releases.get(name);
    if (releases === undefined) return new Response("{}", { status: 404 });
    if (file !== undefined) {
      const release = [...releases].find(([version]) => fileNameOf(name, version) === file)?.[1];
      return release === undefined ? new Response(null, { status: 404 }) : new Response(release.tarball);
    }
    const versions = [...releases].map(([version, { manifest, tarball }]) => {
      const integrity = `sha512-${new Bun.CryptoHasher("sha512").update(tarball).digest("base64")}`;
      const dist = { tarball: `${this.url}${name}/-/${fileNameOf(name, version)}`, integrity };
      return [version, { ...manifest, dist }] as const;
    });
    const latest = versions.at(-1)?.[0];
    return Response.json({ name, "dist-tags": { latest }, versions: Object.fromEntries(versions) });
  }
}

/** As the registry of npm has it: "tax-2.1.0.tgz" for "@acme/tax". */
function fileNameOf(name: string, version: string): string {
  return `${name.split("/").at(-1)}-${version}.tgz`;
}

async function toTarball(files: PackageFiles): Promise<Uint8Array<ArrayBuffer>> {
  const entries = Object.entries(files).map(([path, content]) => {
    const bytes = Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
    // oxlint-disable-next-line typescript/require-await -- the interface's shape
    const once = async function* () {
      yield bytes;
    };
    return { name: `package/${path}`, size: bytes.length, content: once() };
  });
  return Bun.gzipSync(Buffer.concat(await Array.fromAsync(writeTar(entries))));
}
