import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "bun:test";
import { testWithProgram } from "../programs.ts";
import { TestApp, TestFolder } from "../setup.ts";

const KEY = { access_key_id: "xcore", secret_access_key: "a secret of the tests" };
const RUN = `
  import { createRouter, storage } from "xcore";
  export default createRouter()
    .post("/:key", async ({ params, request }) => storage.put(request.body, { key: params.key, name: "a.txt" }))
    .get("/:key", ({ params, request }) => storage.serve(params.key, request))
    .delete("/:key", async ({ params }) => ({ removed: await storage.delete(params.key) }))
    .get("/", () => storage.list());
`;

/** rclone serving a bucket over the API of S3, which checks each signature. */
async function serveBucket(rclone: string, folder: string): Promise<Bun.Subprocess & { url: string }> {
  await mkdir(join(folder, "files"));
  const command = [rclone, "serve", "s3", "--addr", "127.0.0.1:0", "--vfs-cache-mode", "off", folder];
  const env = { ...process.env, RCLONE_AUTH_KEY: `"${KEY.access_key_id},${KEY.secret_access_key}"` };
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "pipe", env });
  let said = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    said += text;
    const url = /\[(http:\/\/127\.0\.0\.1:\d+)\/?\]/.exec(said)?.[1];
    if (url !== undefined) return Object.assign(child, { url });
  }
  throw new Error(`rclone doesn't serve: ${said}`);
}

const start = (endpoint: string, secret = KEY.secret_access_key): Promise<TestApp> =>
  TestApp.start({
    plugins: { "notes/run.ts": RUN, "notes/plugin.json": { name: "notes", version: "1.0.0" } },
    config: {
      storage: {
        backend: "s3",
        s3: {
          ...KEY,
          secret_access_key: secret,
          endpoint,
          bucket: "files",
          region: "us-east-1",
          prefix: "",
        },
      },
    },
  });

const post = (app: TestApp, key: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
  app.fetch(`/notes/${key}`, {
    method: "POST",
    body,
    headers: { "content-type": "application/octet-stream" },
  });

testWithProgram(
  "rclone",
  "files are kept in a bucket, read in parts, replaced and removed",
  async (rclone) => {
    await using folder = await TestFolder.create();
    const server = await serveBucket(rclone, folder.path);
    try {
      await using app = await start(server.url);
      const large = new Uint8Array(3_000_000).fill(65);
      expect((await post(app, "a", "0123456789")).status).toBe(200);
      expect((await post(app, "b", large)).status).toBe(200);
      const part = await app.fetch("/notes/a", { headers: { range: "bytes=2-4" } });
      expect([part.status, await part.text()]).toEqual([206, "234"]);
      expect((await (await app.fetch("/notes/b")).bytes()).byteLength).toBe(3_000_000);
      const objects = () => Array.fromAsync(new Bun.Glob("**/*").scan(join(folder.path, "files")));
      expect(await objects()).toHaveLength(2);
      expect((await post(app, "a", "other")).status).toBe(200);
      expect(await (await app.fetch("/notes/a")).text()).toBe("other");
      await app.fetch("/notes/b", { method: "DELETE" });
      while ((await objects()).length > 1) await Bun.sleep(1);
      const cleaner = await app.app.storage.cleaner();
      expect(await cleaner.clean()).toEqual({ files: 0, contents: 0 });
      expect((await app.fetch("/notes/b")).status).toBe(404);
    } finally {
      server.kill();
      await server.exited;
    }
  },
  60_000,
);

testWithProgram(
  "rclone",
  "a bucket that refuses the server, or isn't there, is 503, and its secret is told to nobody",
  async (rclone) => {
    await using folder = await TestFolder.create();
    const server = await serveBucket(rclone, folder.path);
    try {
      await using app = await start(server.url, "a wrong secret");
      const refused = await post(app, "a", "x");
      expect([refused.status, await refused.json()]).toMatchObject([503, { code: "storage_unavailable" }]);
      expect((await app.get("/notes")).body).toEqual([]);
      server.kill();
      await server.exited;
      expect((await post(app, "a", "x")).status).toBe(503);
      expect(await app.log("app")).not.toContain("a wrong secret");
    } finally {
      server.kill();
    }
  },
  60_000,
);
