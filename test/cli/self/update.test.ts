import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { mountSmall } from "../../faults/small-disk.ts";
import { askConstantly } from "../../app/constant-clients.ts";
import { type Files, TestFolder } from "../../setup.ts";
import { buildXcore } from "../xcore-command.ts";
import { type Finished, xcore, XcoreServer } from "../xcore-process.ts";

setDefaultTimeout(240_000);

const onLinux = test.skipIf(process.platform !== "linux");
const FILES: Files = {
  "config.json": { server: { port: 0 } },
  "plugins/x/plugin.json": { name: "x", version: "1.0.0" },
  "plugins/x/run.ts": `import { createRouter } from "xcore";\nexport default createRouter().get("/", () => String(process.pid));\n`,
};

let built: string;
/** Runs, and is no good. */
let standIn: string;
let scratch: TestFolder;

beforeAll(async () => {
  built = await buildXcore();
  scratch = await TestFolder.create();
  standIn = join(scratch.path, "stand-in");
  const result = await Bun.build({
    entrypoints: [join(import.meta.dir, "stand-in.ts")],
    compile: { outfile: standIn },
  });
  expect(result.success).toBe(true);
  return async () => scratch[Symbol.asyncDispose]();
});

const digest = async (file: string): Promise<string> =>
  `sha256-${new Bun.CryptoHasher("sha256").update(await Bun.file(file).bytes()).digest("base64")}`;

/** A project with an executable of its own. */
class Updated implements AsyncDisposable {
  readonly folder: TestFolder;
  readonly executable: string;

  private constructor(folder: TestFolder) {
    this.folder = folder;
    this.executable = join(folder.path, "bin", "xcore");
  }

  static async create(): Promise<Updated> {
    const project = new Updated(await TestFolder.create(FILES));
    await mkdir(join(project.folder.path, "bin"));
    await copyFile(built, project.executable);
    return project;
  }

  async update(from: string, integrity?: string): Promise<Finished> {
    const is = integrity ?? (await digest(from));
    return xcore(this.folder, ["self", "update", "--json", "--from", from, "--integrity", is], {
      command: [this.executable],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

/** The same with another digest of its sources: another build of the same version. */
async function makeAnother(path: string): Promise<string> {
  const text = (await xcore(scratch, ["--version", "--json"], { command: [built] })).stdout;
  const { build } = JSON.parse(text) as { build: string };
  const bytes = Buffer.from(await Bun.file(built).bytes());
  for (let at = bytes.indexOf(build); at !== -1; at = bytes.indexOf(build, at))
    bytes.write("0".repeat(64), at);
  await Bun.write(path, bytes, { mode: 0o755 });
  return path;
}

onLinux("xcore self update changes nothing for what isn't it, or doesn't run here", async () => {
  await using project = await Updated.create();
  const before = await digest(project.executable);
  const bad = join(project.folder.path, "bad");
  const refused = async (from: string, integrity?: string): Promise<string> => {
    const { code, stderr } = await project.update(from, integrity);
    expect(code).toBe(1);
    expect(await digest(project.executable)).toBe(before);
    expect(await readdir(join(project.folder.path, "bin"))).toEqual(["xcore"]);
    return stderr;
  };
  expect(await refused(standIn, await digest(built))).toContain(
    "and not what --integrity says; nothing was changed",
  );
  expect(await refused(standIn, "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=")).toContain("as an integrity");
  expect(await refused("http://203.0.113.1/xcore", before)).toContain('use "https:"');
  using page = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("<html>Sign in</html>".repeat(9)),
  });
  const answered = await refused(page.url.href, await digest(built));
  expect(answered).toStartWith(`Fetching ${page.url.href}: it may take 15 minutes`);
  expect(answered).toContain("and not what --integrity says; it is no executable; nothing was changed");
  expect(await refused("npm:xcore", before)).toContain("it is an https: URL, or a file");
  expect(await refused(join(project.folder.path, "nowhere"), before)).toContain("there is no such file");
  expect(await refused("/dev/zero", before)).toContain("it is no file");
  const head = await Bun.file(standIn).slice(0, 4096).bytes();
  await Bun.write(bad, "#!/bin/sh\nrm -rf /\n".repeat(10));
  expect(await refused(bad)).toContain("it is no executable");
  head.set([183, 0], 18);
  await Bun.write(bad, head);
  if (process.arch === "x64")
    expect(await refused(bad)).toContain("it is for linux-arm64, and this machine is linux-x64");
  head.set([62, 0], 18);
  await Bun.write(bad, head);
  if (process.arch === "x64") expect(await refused(bad)).toContain("it can't be run here");
  await project.folder.write({ "bin/behaviour": "version 0.0.9" });
  const { stderr } = await project.update(standIn);
  expect(stderr).toMatch(/it is 0\.0\.9, which is older than \d/);
  expect(await digest(project.executable)).toBe(before);

  const same = JSON.parse((await project.update(built)).stdout) as { previous: string | null };
  expect(same.previous).toBe(null);
  expect((await xcore(project.folder, ["self", "update", "--from", built])).code).toBe(2);
});

onLinux("xcore self update says so on a full disk, and leaves nothing behind", async () => {
  await using folder = await TestFolder.create();
  const disk = join(folder.path, "disk");
  using mounted = mountSmall(disk, "200m");
  if (mounted === null) return; // only root may
  const executable = join(disk, "xcore");
  await copyFile(built, executable);
  const args = ["self", "update", "--from", standIn, "--integrity", await digest(standIn)];
  const { code, stderr } = await xcore(folder, args, { command: [executable] });
  expect(code).toBe(1);
  expect(stderr).toMatch(/the disk of \S+ is full, and \d+ MB are needed; nothing was changed/);
  expect(await readdir(disk)).toEqual(["xcore"]);
});

onLinux(
  "a server takes a new executable without refusing a request, and keeps the one before when that is no good",
  async () => {
    await using project = await Updated.create();
    const { folder, executable } = project;
    const before = await digest(executable);
    await using server = await XcoreServer.start(folder, { command: [executable], args: ["serve"] });
    const ask = async (): Promise<string> => (await server.fetch("/x", { keepalive: false })).text();
    const finish = askConstantly({ url: server.url, path: "/x", fresh: 4, kept: 4 });
    for (const [behaviour, reason] of [
      ["fails", /the new process says: its database is too old; \S+ is back in place, and serves as before/],
      ["dies", /the new process ended with exit code 7, \d\.\d s after it took over; \S+ is back in place/],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await folder.write({ behaviour });
      // oxlint-disable-next-line no-await-in-loop -- as above
      const { code, stderr } = await project.update(standIn);
      expect(stderr).toMatch(reason);
      expect(code).toBe(1);
      // oxlint-disable-next-line no-await-in-loop -- as above
      expect(await digest(executable)).toBe(before);
    }
    expect(await ask()).toBe(String(server.pid));

    const another = await makeAnother(join(folder.path, "another"));
    const host = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(Bun.file(another)) });
    const [from, is] = [`${host.url.origin}/xcore`, await digest(another)];
    const updating = { done: Promise.resolve<Finished | null>(null) };
    await server.after(() => void (updating.done = project.update(from, is)), /starting a new process that/);
    // While the new process is watched, the executable before is what would come back.
    const second = await project.update(standIn);
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining("is at it already")]);
    const { code, stdout, stderr } = (await updating.done) ?? second;
    void host.stop(true);
    expect(stderr).toContain(`the one before is ${executable}.previous`);
    expect(code).toBe(0);
    const updated = JSON.parse(stdout) as { pid: number; now: { build: string } };
    expect(updated.now.build).toBe("0".repeat(64));
    const { answers, failures } = await finish();
    expect(failures).toEqual([]);
    expect(answers).toBeGreaterThan(100);
    expect(await server.exited).toBe(0);
    expect(await ask()).toBe(String(updated.pid));
    expect(await digest(executable)).toBe(await digest(another));
    expect(await digest(`${executable}.previous`)).toBe(before);
    process.kill(updated.pid, "SIGKILL");
  },
);
