import { mkdir, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { LocalBackend } from "../../src/storage/local/backend.ts";
import { TestFolder } from "../setup.ts";

const WRITER = join(import.meta.dir, "writing-process.ts");

async function* toChunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function* fail(): AsyncGenerator<Uint8Array> {
  yield* toChunks("half");
  throw new RangeError("stop");
}

/** All files below a folder. */
async function filesOf(folder: string): Promise<string[]> {
  const all = await readdir(folder, { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).map(({ name }) => name);
}

async function textOf(backend: LocalBackend, id: string): Promise<string | null> {
  const content = await backend.read(id, null);
  return content === null ? null : new Response(content).text();
}

test("a content is written, read whole and in part, listed and removed", async () => {
  await using folder = await TestFolder.create();
  const backend = new LocalBackend(join(folder.path, "a/files"));
  const id = Bun.randomUUIDv7();
  expect(await backend.read(id, null)).toBeNull();
  await backend.remove(id);
  await backend.write(id, toChunks("Hello ", "world"));
  expect(await textOf(backend, id)).toBe("Hello world");
  expect(await new Response(await backend.read(id, { start: 6, end: 9 })).text()).toBe("wor");
  await backend.write(`${id}-64x64`, toChunks("small"));
  expect((await Array.fromAsync(backend.list())).toSorted()).toEqual([id, `${id}-64x64`]);
  await backend.remove(id);
  expect(await backend.read(id, null)).toBeNull();
});

test.each(["../../x", "/etc/passwd", "", ".", "a/b", `${Bun.randomUUIDv7()}/..`, `${Bun.randomUUIDv7()}\0`])(
  "no content is called %j",
  async (name) => {
    await using folder = await TestFolder.create();
    const backend = new LocalBackend(folder.path);
    expect(backend.write(name, toChunks("x"))).rejects.toThrow(TypeError);
    expect(backend.read(name, null)).rejects.toThrow(TypeError);
    expect(backend.remove(name)).rejects.toThrow(TypeError);
  },
);

test("nothing is read, written, made or removed where a link leads out of the folder", async () => {
  await using folder = await TestFolder.create({ "outside/secret.txt": "secret" });
  const outside = join(folder.path, "outside");
  const backend = new LocalBackend(join(folder.path, "files"));
  const id = Bun.randomUUIDv7();
  await backend.write(id, toChunks("x"));
  const place = join(folder.path, "files", id.slice(34), id.slice(32, 34));
  await rm(join(place, id));
  await symlink(join(outside, "secret.txt"), join(place, id));
  expect(await backend.read(id, null)).toBeNull();
  await rm(join(folder.path, "files", id.slice(34)), { recursive: true });
  await mkdir(join(outside, id.slice(32, 34)));
  await writeFile(join(outside, id.slice(32, 34), id), "theirs");
  await symlink(outside, join(folder.path, "files", id.slice(34)));
  expect(await backend.read(id, null)).toBeNull();
  await backend.remove(id);
  expect(backend.write(id, toChunks("y"))).rejects.toThrow(
    expect.objectContaining({ code: "storage_unavailable" }),
  );
  expect(await filesOf(outside)).toEqual(expect.arrayContaining(["secret.txt", id]));
  expect(await Bun.file(join(outside, id.slice(32, 34), id)).text()).toBe("theirs");
});

test("the folder itself may be a link: whoever runs the server has made it", async () => {
  await using folder = await TestFolder.create();
  await mkdir(join(folder.path, "disk"));
  await symlink(join(folder.path, "disk"), join(folder.path, "files"));
  const backend = new LocalBackend(join(folder.path, "files"));
  const id = Bun.randomUUIDv7();
  await backend.write(id, toChunks("x"));
  expect([await textOf(backend, id), await filesOf(join(folder.path, "disk"))]).toEqual(["x", [id]]);
});

test("of a write that fails nothing stays", async () => {
  await using folder = await TestFolder.create();
  const backend = new LocalBackend(folder.path);
  const id = Bun.randomUUIDv7();
  expect(backend.write(id, fail())).rejects.toThrow(RangeError);
  expect(await filesOf(folder.path)).toEqual([]);
});

test("a disk that is full is told, and nothing stays", async () => {
  await using folder = await TestFolder.create();
  const id = Bun.randomUUIDv7();
  const script = `trap '' XFSZ; ulimit -f 3000; exec "$@"`;
  const command = ["sh", "-c", script, "sh", process.execPath, WRITER, folder.path, id, "4"];
  const child = Bun.spawn(command, { stdout: "pipe" });
  expect(await new Response(child.stdout).text()).toBe("storage_full\n");
  expect(await filesOf(folder.path)).toEqual([]);
});

test("a process that is killed leaves nothing that is read, and what it leaves goes later", async () => {
  await using folder = await TestFolder.create();
  const id = Bun.randomUUIDv7();
  const child = Bun.spawn([process.execPath, WRITER, folder.path, id, "1", "hangs"], { stdout: "pipe" });
  for await (const _ of child.stdout) break; // it has written what there is
  child.kill("SIGKILL");
  await child.exited;
  const backend = new LocalBackend(folder.path);
  expect([await backend.read(id, null), await Array.fromAsync(backend.list())]).toEqual([null, []]);
  const [left = ""] = await filesOf(folder.path);
  expect(left).toStartWith(id);
  await backend.sweep(new Date(Date.now() - 1000));
  expect(await filesOf(folder.path)).toEqual([left]);
  const old = new Date(Date.now() - 86_400_000);
  await utimes(join(folder.path, "unfinished", left), old, old);
  await backend.sweep(new Date(Date.now() - 1000));
  expect(await filesOf(folder.path)).toEqual([]);
});

test("a folder that can't be made is unavailable", async () => {
  await using folder = await TestFolder.create({ files: "a file" });
  const backend = new LocalBackend(join(folder.path, "files"));
  const writing = backend.write(Bun.randomUUIDv7(), toChunks("x"));
  expect(writing).rejects.toThrow(expect.objectContaining({ code: "storage_unavailable", status: 503 }));
});
