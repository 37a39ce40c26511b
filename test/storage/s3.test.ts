import { Readable } from "node:stream";
import { expect } from "bun:test";
import { S3Backend } from "../../src/storage/s3/backend.ts";
import { listUploads, PartedUpload } from "../../src/storage/s3/parted-upload.ts";
import { ObjectRequests } from "../../src/storage/s3/requests.ts";
import type { StoredFile } from "../../src/storage/contract/stored-file.ts";
import { TcpProxy } from "../faults/tcp-proxy.ts";
import { testWithProgram } from "../programs.ts";
import { TestApp, TestFolder } from "../setup.ts";
import { Bucket } from "./bucket.ts";

const RUN = `
  import { createRouter, storage } from "xcore";
  export default createRouter()
    .post("/:key", async ({ params, request }) => storage.put(request.body, { key: params.key, name: "a.bin" }))
    .get("/:key", ({ params, request }) => storage.serve(params.key, request))
    .delete("/:key", async ({ params }) => ({ removed: await storage.delete(params.key) }))
    .get("/", () => storage.list());
`;

const start = (
  bucket: Bucket,
  changed: { endpoint?: string; secret_access_key?: string } = {},
): Promise<TestApp> =>
  TestApp.start({
    plugins: { "notes/run.ts": RUN, "notes/plugin.json": { name: "notes", version: "1.0.0" } },
    config: { storage: { backend: "s3", max_size: "20mb", s3: { ...bucket.settings(), ...changed } } },
  });

const MEGABYTE = new Uint8Array(1_048_576).fill(65);

/** Gives these pieces, waiting for `pause` before the twelfth: parts are under way by then. */
function toStream(pieces: readonly Uint8Array[], pause = async (): Promise<unknown> => null): ReadableStream {
  const all = async function* (): AsyncGenerator<Uint8Array> {
    for (const [index, piece] of pieces.entries()) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      if (index === 11) await pause();
      yield piece;
    }
  };
  return Readable.toWeb(Readable.from(all())) as unknown as ReadableStream;
}

const post = (
  app: TestApp,
  key: string,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  signal: AbortSignal | null = null,
): Promise<Response> =>
  app.fetch(`/notes/${key}`, {
    method: "POST",
    body,
    signal,
    headers: { "content-type": "application/octet-stream" },
  });

testWithProgram(
  "rclone",
  "files are kept in a bucket, read in parts, replaced and removed",
  async (rclone) => {
    await using folder = await TestFolder.create();
    await using bucket = await Bucket.serve(rclone, folder.path);
    await using app = await start(bucket);
    const large = crypto
      .getRandomValues(Buffer.alloc(65_536))
      .toString("latin1")
      .repeat(200)
      .slice(0, 12_000_001);
    expect((await post(app, "a", "0123456789")).status).toBe(200);
    const { size, hash } = (await (await post(app, "b", Buffer.from(large, "latin1"))).json()) as StoredFile;
    expect([size, hash]).toEqual([
      12_000_001,
      new Bun.SHA256().update(Buffer.from(large, "latin1")).digest("hex"),
    ]);
    const part = await app.fetch("/notes/a", { headers: { range: "bytes=2-4" } });
    expect([part.status, await part.text()]).toEqual([206, "234"]);
    expect(Buffer.from(await (await app.fetch("/notes/b")).bytes()).toString("latin1") === large).toBeTrue();
    const edge = 5 * 1024 * 1024; // where one part of the upload ends
    const across = await app.fetch("/notes/b", { headers: { range: `bytes=${edge - 10}-${edge + 9}` } });
    expect(Buffer.from(await across.bytes()).toString("latin1")).toBe(large.slice(edge - 10, edge + 10));
    const head = await app.fetch("/notes/b", { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
      200,
      "12000001",
      "",
    ]);
    expect(await bucket.contents()).toHaveLength(2);
    expect((await post(app, "a", "other")).status).toBe(200);
    expect(await (await app.fetch("/notes/a")).text()).toBe("other");
    await app.fetch("/notes/b", { method: "DELETE" });
    while ((await bucket.contents()).length > 1) await Bun.sleep(1);
    const cleaner = await app.app.storage.cleaner();
    expect(await cleaner.clean()).toEqual({ files: 0, contents: 0 });
    expect((await app.fetch("/notes/b")).status).toBe(404);
  },
  120_000,
);

testWithProgram(
  "rclone",
  "a bucket that refuses the server, or isn't there, is 503, and its secret is told to nobody",
  async (rclone) => {
    await using folder = await TestFolder.create();
    await using bucket = await Bucket.serve(rclone, folder.path);
    await using app = await start(bucket, { secret_access_key: "a wrong secret" });
    for (const body of ["x", new Uint8Array(12_000_000)]) {
      // oxlint-disable-next-line no-await-in-loop -- one upload after another
      const refused = await post(app, "a", body);
      // oxlint-disable-next-line no-await-in-loop
      expect([refused.status, await refused.json()]).toMatchObject([503, { code: "storage_unavailable" }]);
    }
    expect((await app.get("/notes")).body).toEqual([]);
    await bucket[Symbol.asyncDispose]();
    expect((await post(app, "a", "x")).status).toBe(503);
    expect(await app.log("app")).not.toContain("a wrong secret");
  },
  120_000,
);

testWithProgram(
  "rclone",
  "of an upload in parts that is too large, or whose client goes, nothing stays in the bucket",
  async (rclone) => {
    await using folder = await TestFolder.create();
    await using bucket = await Bucket.serve(rclone, folder.path);
    await using app = await start(bucket);
    const tooLarge = await post(app, "a", toStream(Array(22).fill(MEGABYTE)));
    expect([tooLarge.status, await tooLarge.json()]).toMatchObject([413, { code: "payload_too_large" }]);
    while ((await bucket.contents()).length > 0) await Bun.sleep(1); // rclone takes its time
    const client = new AbortController();
    const leaves = toStream(Array(12).fill(MEGABYTE), async () => {
      while ((await bucket.contents()).length === 0) await Bun.sleep(1); // the first part is there
      client.abort();
      await Promise.withResolvers().promise;
    });
    expect(post(app, "b", leaves, client.signal)).rejects.toThrow();
    while (!client.signal.aborted || (await bucket.contents()).length > 0) await Bun.sleep(1);
    expect((await app.get("/notes")).body).toEqual([]);
  },
  120_000,
);

testWithProgram(
  "rclone",
  "a bucket that is cut off in the middle is 503, and what it has of the upload goes later",
  async (rclone) => {
    await using folder = await TestFolder.create();
    await using bucket = await Bucket.serve(rclone, folder.path);
    await using proxy = await TcpProxy.before(bucket.url);
    await using app = await start(bucket, { endpoint: proxy.through(bucket.url) });
    const cut = toStream(Array(12).fill(MEGABYTE), async () => {
      while ((await bucket.contents()).length === 0) await Bun.sleep(1);
      await proxy.cut();
    });
    const response = await post(app, "a", cut);
    expect([response.status, await response.json()]).toMatchObject([503, { code: "storage_unavailable" }]);
    expect((await app.get("/notes")).body).toEqual([]);
    await proxy.listen();
    const cleaner = await app.app.storage.cleaner();
    await cleaner.clean(new Date(Date.now() + 2 * 86_400_000));
    while ((await bucket.contents()).length > 0) await Bun.sleep(1);
    expect((await post(app, "a", new Uint8Array(6_000_000))).status).toBe(200);
  },
  120_000,
);

testWithProgram(
  "rclone",
  "a connection that is reset in the middle is tried again, and a bucket that is slow is waited for",
  async (rclone) => {
    await using folder = await TestFolder.create();
    await using bucket = await Bucket.serve(rclone, folder.path);
    await using proxy = await TcpProxy.before(bucket.url);
    await using app = await start(bucket, { endpoint: proxy.through(bucket.url) });
    proxy.delay(50);
    const reset = toStream(Array(12).fill(MEGABYTE), async () => {
      while ((await bucket.contents()).length === 0) await Bun.sleep(1);
      proxy.reset();
    });
    const response = await post(app, "a", reset);
    expect([response.status, await response.json()]).toMatchObject([200, { size: 12 * 1_048_576 }]);
    expect((await (await app.fetch("/notes/a")).bytes()).byteLength).toBe(12 * 1_048_576);
  },
  120_000,
);

testWithProgram(
  "rclone",
  "a bucket that is frozen is 503 when its time is over, and one that answers half a file is no whole file",
  async (rclone) => {
    await using folder = await TestFolder.create();
    await using bucket = await Bucket.serve(rclone, folder.path);
    await using proxy = await TcpProxy.before(bucket.url);
    const backend = new S3Backend(bucket.settings(proxy.through(bucket.url)), 1000);
    const frozen = expect.objectContaining({ code: "storage_unavailable" });
    const freezing = async function* (): AsyncGenerator<Uint8Array> {
      for (let count = 0; count < 12; count += 1) {
        yield MEGABYTE;
        if (count === 6) proxy.vanish({ alsoNew: true });
      }
    };
    expect(backend.write(Bun.randomUUIDv7(), freezing())).rejects.toThrow(frozen);
    expect(backend.read(Bun.randomUUIDv7(), null)).rejects.toThrow(frozen);
    proxy.appear();
    const id = Bun.randomUUIDv7();
    await backend.write(id, Readable.from(Array(12).fill(MEGABYTE)));
    const content = await backend.read(id, null);
    const reading = async (): Promise<number> => {
      let bytes = 0;
      for await (const chunk of content as ReadableStream<Uint8Array>) {
        if (bytes === 0) await proxy.cut();
        bytes += chunk.byteLength;
      }
      return bytes;
    };
    expect(reading()).rejects.toThrow();
  },
  120_000,
);

testWithProgram(
  "rclone",
  "parts of an upload that nobody ends go after a day, and nothing of others",
  async (rclone) => {
    await using folder = await TestFolder.create();
    await using bucket = await Bucket.serve(rclone, folder.path);
    const settings = { ...bucket.settings(), prefix: "a & b/" };
    const requests = new ObjectRequests(settings, 10_000);
    const begin = (key: string) => PartedUpload.begin(requests, (work) => work(), key);
    const left = await begin(`${settings.prefix}${Bun.randomUUIDv7()}`);
    await left.send(new Uint8Array(5 * 1_048_576));
    await begin(`${settings.prefix}notes.txt`);
    const keys = async () => (await listUploads(requests, settings.prefix)).map(({ key }) => key);
    const all = await keys();
    expect(all).toHaveLength(2);
    const backend = new S3Backend(settings);
    await backend.sweep(new Date(Date.now() - 60_000));
    expect(await keys()).toEqual(all);
    const inAMinute = new Date(Date.now() + 60_000);
    await Promise.all([backend.sweep(inAMinute), backend.sweep(inAMinute)]); // as instances do
    expect(await keys()).toEqual([`${settings.prefix}notes.txt`]);
    while ((await bucket.contents()).length > 0) await Bun.sleep(1);
  },
  120_000,
);
