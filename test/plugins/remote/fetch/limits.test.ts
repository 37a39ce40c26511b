import { expect, test } from "bun:test";
import { failureOf, fetchFrom, FileHost, RawHost, redirectTo } from "../file-host.ts";

test("fetchPlugin() counts redirects with the files, as each is a request", async () => {
  const imports = Array.from({ length: 20_000 }, (_, index) => `import "./r${index}.ts";`);
  await using host = new FileHost({ "/run.ts": imports.join("\n") });
  for (const index of imports.keys()) host.files.set(`/r${index}.ts`, redirectTo("/run.ts"));
  const { message } = await failureOf(fetchFrom(host.url("/run.ts")));
  expect(message).toEndWith("the plugin has more than 5000 files and redirects; leave some out");
  expect(host.requests.length).toBeLessThan(5000);
});

test("fetchPlugin() refuses a URL that is too long to be a name", async () => {
  const long = `/lib/${"b".repeat(2000)}.ts`;
  await using host = new FileHost({
    "/crm/run.ts": 'import "./a.ts"',
    "/crm/a.ts": redirectTo(long),
    [long]: "",
    "/crm/umlauts.ts": `import "../${"ü".repeat(400)}.ts"`,
  });
  const { message } = await failureOf(fetchFrom(host.url("/crm/run.ts")));
  expect(message).toEndWith('which "run.ts" imports: its URL is too long; shorten it');
  expect(message.length).toBeLessThan(1400);
  const { message: encoded } = await failureOf(fetchFrom(host.url("/crm/umlauts.ts")));
  expect(encoded).toEndWith('which "umlauts.ts" imports: its URL is too long; shorten it');
});

test("fetchPlugin() doesn't keep the server waiting for huge files of code", async () => {
  const code = "let a = 1;\n".repeat(800_000);
  await using host = new FileHost({ "/run.ts": 'import "./huge.ts"', "/huge.ts": code });
  const { message } = await failureOf(fetchFrom(host.url("/run.ts"), { limits: { maxBytes: 64e6 } }));
  expect(message).toStartWith('Cannot read "huge.ts": code is at most 8388608 bytes a file; ');
});

test("fetchPlugin() shows what a host or its files say in few printable characters", async () => {
  const evil = "\u009b31m\u202e";
  await using host = await RawHost.start((socket) => {
    const reason = Buffer.from(evil + "x".repeat(5000)).toString("latin1");
    socket.end(Buffer.from(`HTTP/1.1 404 ${reason}\r\nContent-Length: 0\r\n\r\n`, "latin1"));
  });
  await using files = new FileHost({
    "/long.ts": `import "./${"a".repeat(500_000)}.ts"`,
    "/control.ts": String.raw`import "./a\u001b[2J\u009b\u202e.ts"`,
  });
  for (const url of [host.url("/run.ts"), files.url("/long.ts"), files.url("/control.ts")]) {
    const { message } = await failureOf(fetchFrom(url));
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(message.length).toBeLessThan(400);
  }
});
