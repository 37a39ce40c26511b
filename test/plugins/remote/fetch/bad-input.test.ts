import { expect, test } from "bun:test";
import { fetchFile } from "../../../../src/plugins/remote/fetch/fetch.ts";
import {
  failureOf,
  fetchFrom,
  FileHost,
  namesOf,
  RawHost,
  redirectTo,
  toArchive,
  toTar,
} from "../file-host.ts";

test("fetchPlugin() names the file that is missing in the middle of the graph, and who imports it", async () => {
  await using host = new FileHost({
    "/run.ts": 'import "./a.ts"; import "./c.ts"',
    "/a.ts": 'import "./b.ts"; import "./lib"',
    "/c.ts": "",
    "/lib": "",
  });
  const error = await failureOf(fetchFrom(host.url("/run.ts")));
  const message = `Cannot fetch "${host.url("/b.ts")}", which "a.ts" imports: its host answered 404 Not Found`;
  expect(error).toMatchObject({ message, stage: "fetch", status: 404, isTransient: false });

  host.files.set("/b.ts", 'import "./d"');
  const { message: hint } = await failureOf(fetchFrom(host.url("/run.ts")));
  expect(hint).toEndWith(
    '/d", which "b.ts" imports: its host answered 404 Not Found; imports by URL need the whole name of the file',
  );

  for (const status of [500, 503, 429]) {
    host.files.set("/b.ts", () => new Response("busy", { status }));
    expect((await failureOf(fetchFrom(host.url("/run.ts")))).isTransient).toBe(true);
  }
});

test("fetchPlugin() stops what is under way when a file fails", async () => {
  const stopped = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await using host = new FileHost({
    "/run.ts": 'import "./slow.ts"; import "./missing.ts"',
    "/slow.ts": (request) => {
      request.signal.addEventListener("abort", () => stopped.resolve());
      asked.resolve();
      return new Promise<Response>(() => {});
    },
    "/missing.ts": async () => {
      await asked.promise;
      return new Response(null, { status: 404 });
    },
  });
  const error = await failureOf(fetchFrom(host.url("/run.ts")));
  expect(error.message).toContain("/missing.ts");
  await stopped.promise;
});

test("fetchPlugin() ends with its signal's reason", async () => {
  const asked = Promise.withResolvers<void>();
  await using host = new FileHost({
    "/run.ts": () => {
      asked.resolve();
      return new Promise<Response>(() => {});
    },
  });
  const ending = new AbortController();
  const fetched = fetchFrom(host.url("/run.ts"), { signal: ending.signal });
  await asked.promise;
  const reason = new Error("the server stops");
  ending.abort(reason);
  expect(await fetched.catch((error: unknown) => error)).toBe(reason);
});

test("fetchPlugin() refuses an HTML page where code, JSON or an archive should be", async () => {
  const page = "<!DOCTYPE html><html><body>Not found</body></html>";
  const html = (): Response =>
    new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
  await using host = new FileHost({
    "/run.ts": 'import "./a.ts"',
    "/a.ts": html,
    "/plain.ts": `\n${page}`,
    "/plugin.json": html,
    "/crm.tgz": html,
    "/p/plugin.json": { files: ["drizzle/1.sql"] },
    "/p/run.ts": "",
    "/p/drizzle/1.sql": html,
  });
  for (const path of ["/run.ts", "/plain.ts", "/plugin.json", "/crm.tgz", "/p/plugin.json"]) {
    const { message } = await failureOf(fetchFrom(host.url(path)));
    expect(message).toContain("its host answered with an HTML page");
  }
});

test("fetchPlugin() refuses a body that ends too soon", async () => {
  const heads = ["content-length: 1000", "transfer-encoding: chunked"];
  for (const head of heads) {
    await using host = await RawHost.start((socket) =>
      socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n5\r\nexpor\r\n`),
    );
    const error = await failureOf(fetchFrom(host.url("/run.ts")));
    expect(error.message).toBe(`Cannot fetch "${host.url("/run.ts")}": the connection ended before its end`);
    expect(error.isTransient).toBe(true);
  }
});

test("fetchPlugin() gives up on a host that hangs, before its answer and within it", async () => {
  for (const start of ["", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nexpor"]) {
    const closed = Promise.withResolvers<void>();
    await using host = await RawHost.start((socket) => {
      socket.on("close", () => closed.resolve());
      socket.write(start);
    });
    const error = await failureOf(fetchFrom(host.url("/run.ts"), { limits: { timeoutMs: 100 } }));
    expect(error.message).toContain(
      "it took longer than 0.1 seconds; if it needs them, raise plugins.fetch.timeout_seconds",
    );
    expect(error.isTransient).toBe(true);
    const limits = { timeoutMs: 100, maxBytes: 1000, maxRedirects: 0, allowHosts: [], isOffline: false };
    const single = await failureOf(fetchFile(new URL(host.url("/xcore")), limits));
    expect(single.message).toContain(
      "it took longer than 0.1 seconds; get the file in another way, and name that",
    );
    await closed.promise;
  }
});

test("fetchPlugin() stops reading a body of 1 GB at the limit", async () => {
  const chunk = new Uint8Array(64 * 1024);
  const size = 1_000_000_000;
  let sent = 0;
  const stopped = Promise.withResolvers<void>();
  const endless = (headers: Record<string, string>) => (): Response =>
    new Response(
      new ReadableStream({
        pull(controller) {
          sent += chunk.length;
          if (sent > size) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: () => stopped.resolve(),
      }),
      { headers },
    );
  await using host = new FileHost({ "/streamed.ts": endless({}) });
  const message = "more than 1000000 bytes came; if it is meant to be, raise plugins.fetch.size_limit";
  const error = await failureOf(fetchFrom(host.url("/streamed.ts")));
  expect(error.message).toContain(message);
  expect(error.isTransient).toBe(false);
  await stopped.promise;
  expect(sent).toBeLessThan(size / 4);

  await using announced = await RawHost.start((socket) =>
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`),
  );
  expect((await failureOf(fetchFrom(announced.url("/run.ts")))).message).toContain(message);
});

test("fetchPlugin() counts the files of a plugin together", async () => {
  const half = "/".repeat(600);
  await using host = new FileHost({
    "/run.ts": 'import "./a.ts"; import "./b.ts"',
    "/a.ts": half,
    "/b.ts": half,
  });
  expect(namesOf(await fetchFrom(host.url("/run.ts"), { limits: { maxBytes: 1300 } }))).toHaveLength(3);
  const { message } = await failureOf(fetchFrom(host.url("/run.ts"), { limits: { maxBytes: 1200 } }));
  expect(message).toContain("more than 1200 bytes came");
});

test("fetchPlugin() refuses packed bodies, which could unpack to any size", async () => {
  const bomb = Bun.gzipSync(new Uint8Array(100_000_000));
  await using host = new FileHost({
    "/run.ts": () => new Response(bomb, { headers: { "content-encoding": "gzip" } }),
    "/crm.tgz": bomb,
    "/bomb.tgz": Bun.gzipSync(
      Buffer.concat([(await toTar([["plugin.json", "{}"]])).subarray(0, 1024), new Uint8Array(100_000_000)]),
    ),
    "/large.tgz": await toArchive([["plugin.json", " ".repeat(2_000_000)]]),
  });
  expect((await failureOf(fetchFrom(host.url("/run.ts")))).message).toContain(
    'its host sends it as "gzip", which was not asked for',
  );
  for (const path of ["/crm.tgz", "/bomb.tgz", "/large.tgz"]) {
    const before = process.memoryUsage().rss;
    expect((await failureOf(fetchFrom(host.url(path)))).message).toContain("more than 1000000 bytes came");
    expect(process.memoryUsage().rss - before).toBeLessThan(80_000_000);
  }
});

test("fetchPlugin() takes an archive that its host calls gzip, which it is", async () => {
  const archive = await toArchive([["plugin.json", "{}"]]);
  await using host = new FileHost({
    "/crm.tgz": () => new Response(archive, { headers: { "content-encoding": "x-gzip" } }),
  });
  expect(namesOf(await fetchFrom(host.url("/crm.tgz")))).toEqual(["plugin.json"]);
});

test("fetchPlugin() refuses archives that hold more than plain files below their top", async () => {
  const whole = await toTar([["plugin.json", "{}"]]);
  const retype = (type: string): Buffer => {
    const tar = Buffer.from(whole);
    tar.write(type, 156);
    const sum = tar
      .subarray(0, 512)
      .reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
    tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return tar;
  };
  const archives: Record<string, [Uint8Array, string]> = {
    "/up.tgz": [
      await toTar([
        ["plugin.json", "{}"],
        ["../evil.ts", ""],
      ]),
      '"../evil.ts" leads out of it',
    ],
    "/inner.tgz": [await toTar([["a/../../evil.ts", ""]]), '"a/../../evil.ts" leads out of it'],
    "/root.tgz": [await toTar([["/etc/cron.d/evil", ""]]), '"/etc/cron.d/evil" leads out of it'],
    "/windows.tgz": [await toTar([["..\\evil.ts", ""]]), "leads out of it, or is no name"],
    "/twice.tgz": [
      await toTar([
        ["plugin.json", "{}"],
        ["plugin.json", "[]"],
      ]),
      'it holds "plugin.json" twice',
    ],
    "/hard.tgz": [retype("1"), '"plugin.json" is not a plain file'],
    "/link.tgz": [retype("2"), '"plugin.json" is not a plain file'],
    "/device.tgz": [retype("3"), '"plugin.json" is not a plain file'],
    "/folder.tgz": [retype("5"), '"plugin.json" is not a plain file'],
    "/cut.tgz": [whole.subarray(0, 600), "it ends too soon"],
    "/npm.tgz": [await toTar([["package/plugin.json", "{}"]]), "it holds no plugin.json at its top"],
    "/empty.tgz": [new Uint8Array(1024), "it holds no plugin.json at its top"],
  };
  await using host = new FileHost(
    Object.fromEntries(
      Object.entries(archives).map(([path, [tar]]) => [path, Bun.gzipSync(Buffer.from(tar))]),
    ),
  );
  for (const [path, [, message]] of Object.entries(archives)) {
    const error = await failureOf(fetchFrom(host.url(path)));
    expect(error.message).toContain(message);
    expect(error.message).toEndWith('make it with "xcore plugin pack"');
  }
  host.files.set("/raw.tgz", "no gzip at all");
  host.files.set("/short.tgz", Bun.gzipSync(Buffer.from(whole)).subarray(0, 60));
  for (const path of ["/raw.tgz", "/short.tgz"]) {
    expect((await failureOf(fetchFrom(host.url(path)))).message).toContain("it can't be unpacked");
  }
});

test("fetchPlugin() refuses names that are one file on other systems", async () => {
  await using host = new FileHost({
    "/crm.tgz": await toArchive([
      ["plugin.json", "{}"],
      ["A.ts", ""],
      ["a.ts", ""],
    ]),
  });
  const { message } = await failureOf(fetchFrom(host.url("/crm.tgz")));
  expect(message).toContain('its files "A.ts" and "a.ts" are one on some systems; rename one of them');
});

test("fetchPlugin() refuses an archive whose code imports what is outside of it", async () => {
  await using host = new FileHost({
    "/crm.tgz": await toArchive([
      ["plugin.json", "{}"],
      ["lib/a.ts", 'import "../../x.ts"'],
    ]),
  });
  const { message } = await failureOf(fetchFrom(host.url("/crm.tgz")));
  expect(message).toContain(
    'Cannot fetch "../x.ts", which "lib/a.ts" imports: it is outside the plugin\'s folder',
  );
});

test("fetchPlugin() ends redirects that go round, or on and on", async () => {
  await using host = new FileHost({
    "/circle.ts": redirectTo("/other.ts"),
    "/other.ts": redirectTo("/circle.ts"),
    "/run.ts": 'import "./circle.ts"',
    "/self.ts": redirectTo("/self.ts"),
    "/me.ts": 'import "./self.ts"',
    "/long.ts": 'import "./hop0.ts"',
    "/nowhere.ts": () => new Response(null, { status: 302 }),
  });
  for (let hop = 0; hop < 10; hop += 1) host.files.set(`/hop${hop}.ts`, redirectTo(`/hop${hop + 1}.ts`));
  const messages = {
    "/circle.ts": "it is redirected more than 5 times",
    "/run.ts": "it is redirected in a circle",
    "/me.ts": "it is redirected in a circle",
    "/long.ts": "it is redirected more than 5 times",
    "/hop0.ts": "it is redirected more than 5 times",
    "/nowhere.ts": "its host redirects to nowhere (302)",
  };
  for (const [path, message] of Object.entries(messages)) {
    expect((await failureOf(fetchFrom(host.url(path)))).message).toContain(message);
  }
  host.files.set("/hop5.ts", "export {}");
  expect(namesOf(await fetchFrom(host.url("/hop0.ts")))).toEqual(["hop5.ts"]);
});
