import { expect, test } from "bun:test";
import type { Backend } from "../../src/storage/contract/backend.ts";
import { LocalBackend } from "../../src/storage/local/backend.ts";
import type { StoredFile } from "../../src/storage/contract/stored-file.ts";
import { Thumbnails } from "../../src/storage/serving/thumbnails.ts";
import { TestFolder } from "../setup.ts";
import { makeBomb, makePng } from "./pictures.ts";

test("of large images few wait, and none of these keeps others waiting", async () => {
  await using folder = await TestFolder.create();
  const local = new LocalBackend(folder.path);
  const held = Promise.withResolvers<void>();
  const [large, looked] = [new Set<string>(), new Set<string>()];
  const backend: Backend = {
    write: (name, chunks) => local.write(name, chunks),
    remove: (name) => local.remove(name),
    list: () => local.list(),
    sweep: (before) => local.sweep(before),
    async read(name, range) {
      // The work of one that is large takes as long as the test wants: the first reads its head.
      if (large.has(name) && looked.has(name)) await held.promise;
      looked.add(name);
      return local.read(name, range);
    },
  };
  const put = async (content: Uint8Array): Promise<StoredFile> => {
    const id = crypto.randomUUID();
    await local.write(
      id,
      (async function* () {
        yield content;
      })(),
    );
    return {
      id,
      key: null,
      name: "a.png",
      type: "image/png",
      size: content.byteLength,
      hash: "",
      created_by: null,
      created_at: new Date(),
    };
  };
  const thumbnails = new Thumbnails(backend);
  const [bomb, unknown] = [makeBomb(5000, 5000), new TextEncoder().encode("GIF89a")];
  const files = await Promise.all(
    [...Array.from({ length: 8 }, () => bomb), unknown, unknown, unknown].map(put),
  );
  for (const { id } of files) large.add(id);
  const results: string[] = [];
  const refused = Promise.withResolvers<void>();
  const asked = files.map(async (file) => {
    const made = thumbnails.get(file, "64x64").then(() => "made");
    const count = results.push(await made.catch((error: { code: string }) => error.code));
    if (count === 2) refused.resolve();
  });
  await refused.promise;
  const small = await put(makePng(600, 300));
  const made = await Promise.all([thumbnails.get(small, "64x64"), thumbnails.get(small, "200x200")]);
  expect(made.map((bytes) => bytes.byteLength > 0)).toEqual([true, true]);
  expect(results).toEqual(["storage_unavailable", "storage_unavailable"]);
  held.resolve();
  await Promise.all(asked);
  expect(results.slice(2)).toEqual(Array(9).fill("image_refused"));
});
