import { expect, test } from "bun:test";
import { realpathSync } from "node:fs";
import { runBun, toBunEnv } from "../../../src/plugins/packages/bun-process.ts";
import { TestFolder } from "../../setup.ts";

test("runBun() runs Bun in a folder and returns its exit code and what it wrote", async () => {
  await using folder = await TestFolder.create();
  const lines: string[] = [];
  const { code, output } = await runBun(
    ["-e", "console.log(process.cwd()); console.error('no end of line'); process.exit(3)"],
    { cwd: folder.path, onLine: (line) => lines.push(line) },
  );
  expect(code).toBe(3);
  expect(lines.toSorted()).toEqual([realpathSync(folder.path), "no end of line"].toSorted());
  expect(output.split("\n").toSorted()).toEqual(["", ...lines].toSorted());
});

test("runBun() keeps the end of what is written when it is much", async () => {
  const { output } = await runBun(["-e", "console.log('x'.repeat(300_000)); console.log('the end')"], {
    cwd: import.meta.dir,
  });
  expect(output.length).toBe(64 * 1024);
  expect(output).toEndWith("x\nthe end\n");
});

test("runBun() ends the process when it is aborted, also one that ignores it", async () => {
  const aborting = new AbortController();
  const code = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log(process.pid)";
  const pids: number[] = [];
  const run = runBun(["-e", code], {
    cwd: import.meta.dir,
    signal: aborting.signal,
    onLine(line) {
      pids.push(Number(line));
      aborting.abort(new Error("stopped by the test"));
    },
  });
  expect(run).rejects.toThrow("stopped by the test");
  await run.catch(() => null);
  expect(() => process.kill(pids[0] ?? 0, 0)).toThrow("ESRCH");
});

test("runBun() does nothing when it is aborted already", () => {
  const run = runBun(["-e", "0"], { cwd: "/nowhere", signal: AbortSignal.abort(new Error("too late")) });
  expect(run).rejects.toThrow("too late");
});

test("runBun() ends a process that takes too long", () => {
  const run = runBun(["-e", "setInterval(() => {}, 1000)"], { cwd: import.meta.dir, timeoutMs: 1000 });
  expect(run).rejects.toThrow("it took longer than 1 seconds");
});

test("toBunEnv() passes on what reaches registries, and no secret of the server", () => {
  const passed = {
    PATH: "/bin",
    HOME: "/root",
    NPM_CONFIG_REGISTRY: "https://npm.example.com",
    npm_config_cafile: "/ca.pem",
    BUN_CONFIG_TOKEN: "t",
    https_proxy: "http://proxy.example.com",
    NODE_EXTRA_CA_CERTS: "/ca.pem",
  };
  const secrets = {
    JWT_SECRET_KEY: "s",
    DATABASE_URL: "postgres://u:p@h/d",
    XCORE_SERVER__PORT: "1",
    AWS_SECRET_ACCESS_KEY: "s",
    NODE_OPTIONS: "--require /evil.js",
    MY_PATH: "x",
    HOME_PAGE: "x",
  };
  expect(toBunEnv({ ...passed, ...secrets, LANG: undefined })).toEqual(passed);
});
