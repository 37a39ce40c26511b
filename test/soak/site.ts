import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type BenchServer, startServer } from "../../bench/server.ts";
import { PrivateServer } from "../faults/private-server.ts";
import { mountSmall } from "../faults/small-disk.ts";
import { TestFolder } from "../setup.ts";
import { SOAK } from "./plugin.ts";

export const DATABASES = ["sqlite", "postgres", "mysql"] as const;
export type DatabaseKind = (typeof DATABASES)[number];

const DISK = "512m";
export const ADMIN = { email: "admin@example.com", password: "correct horse battery staple" };

/** One process of the executable, in a project folder of its own. */
export class Instance {
  readonly number: number;
  readonly folder: TestFolder;
  readonly #program: string;
  #server: BenchServer | null = null;

  constructor(number: number, folder: TestFolder, program: string) {
    this.number = number;
    this.folder = folder;
    this.#program = program;
  }

  get url(): string {
    return this.#server?.url ?? "";
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  /** Starts it, on another port each time; resolves once its plugin answers. */
  async start(): Promise<void> {
    this.#server = await startServer((port) => [this.#program, "--port", port], {
      cwd: this.folder.path,
      path: "/soak/version",
    });
  }

  /** Ends its process by a signal, and resolves once it is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.#server === null) return;
    process.kill(this.#server.pid, signal);
    await this.#server.stop();
  }
}

/**
 * Two instances of the executable on one database, one Redis and one disk for files. The first is never ended, so that
 * its memory can be watched; the second is killed and stopped.
 */
export class Site implements AsyncDisposable {
  readonly instances: readonly [Instance, Instance];
  /** The database's server; null where it is a file. */
  readonly database: PrivateServer | null;
  readonly redis: PrivateServer;
  /** A small file system with the files, and the database where that is one; null where none may be mounted. */
  readonly disk: string | null;
  readonly #disposals: AsyncDisposableStack;

  private constructor(
    parts: Pick<Site, "instances" | "database" | "redis" | "disk">,
    disposals: AsyncDisposableStack,
  ) {
    this.instances = parts.instances;
    this.database = parts.database;
    this.redis = parts.redis;
    this.disk = parts.disk;
    this.#disposals = disposals;
  }

  /** @param program absolute path of the executable */
  static async start(kind: DatabaseKind, program: string): Promise<Site> {
    await using disposals = new AsyncDisposableStack();
    const redis = disposals.use(await PrivateServer.start("redis", { isDurable: true }));
    const database = kind === "sqlite" ? null : disposals.use(await PrivateServer.start(kind));
    const shared = disposals.use(await TestFolder.create());
    const data = join(shared.path, "data");
    await mkdir(data);
    const mounted = mountSmall(data, DISK);
    if (mounted !== null) disposals.use(mounted);
    const config = {
      database: { url: database?.url ?? `sqlite:${data}/app.db` },
      redis: { url: redis.url },
      cache: { backend: "redis" },
      storage: { directory: join(data, "files") },
      security: { jwt_secret_key: crypto.randomUUID() + crypto.randomUUID() },
      logging: { console: false },
    };
    const folders = [
      disposals.use(await TestFolder.create()),
      disposals.use(await TestFolder.create()),
    ] as const;
    const [first] = folders;
    for (const folder of folders) await folder.write({ ...SOAK, "config.json": config });
    await run(program, first, ["db", "generate", "soak", "--yes"]);
    await cp(`${first.path}/plugins/soak/drizzle`, `${folders[1].path}/plugins/soak/drizzle`, {
      recursive: true,
    });
    await run(
      program,
      first,
      ["user", "create", ADMIN.email, "--admin", "--password-stdin"],
      `${ADMIN.password}\n`,
    );
    const instances = [new Instance(0, folders[0], program), new Instance(1, folders[1], program)] as const;
    for (const instance of instances) {
      await instance.start();
      disposals.defer(() => instance.end("SIGKILL"));
    }
    const disk = mounted === null ? null : data;
    return new Site({ instances, database, redis, disk }, disposals.move());
  }

  get steady(): Instance {
    return this.instances[0];
  }

  get victim(): Instance {
    return this.instances[1];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposals.disposeAsync();
  }
}

async function run(program: string, folder: TestFolder, args: readonly string[], input = ""): Promise<void> {
  const child = Bun.spawn([program, ...args], {
    cwd: folder.path,
    env: { ...process.env },
    stdin: new Blob([input]),
    stdout: "ignore",
    stderr: "inherit",
  });
  if ((await child.exited) !== 0) throw new Error(`Cannot run xcore ${args.join(" ")}`);
}
