import { expect, test } from "bun:test";
import { join } from "node:path";
import { findServiceManager } from "../../src/native/service-manager.ts";
import { TestFolder } from "../setup.ts";
import { DatagramSocket } from "./datagrams.ts";

const onLinux = test.skipIf(process.platform !== "linux");

onLinux.each(["path", "abstract"])("findServiceManager() tells it by a socket with %s name", async (kind) => {
  await using folder = await TestFolder.create();
  const name = kind === "path" ? join(folder.path, "notify") : `@${folder.path}`;
  using socket = await DatagramSocket.open(name);
  const env = { NOTIFY_SOCKET: name, WATCHDOG_USEC: "60000", WATCHDOG_PID: "1", OTHER: "stays" };
  const manager = await findServiceManager(env);
  expect(env as object).toEqual({ OTHER: "stays" });
  expect(manager?.environment).toEqual({ NOTIFY_SOCKET: name, WATCHDOG_USEC: "60000" });
  expect(manager?.tell("READY=1", "STATUS=two\nlines")).toBe(true);
  expect(await socket.waitFor("READY=1")).toBe("READY=1\nSTATUS=two lines");
  manager?.beat();
  await socket.waitFor("WATCHDOG=1");
  await socket.waitFor("WATCHDOG=1", socket.received.length);
  manager?.stop();
});

onLinux("findServiceManager() is null without one, and goes on where it is gone", async () => {
  expect(await findServiceManager({})).toBe(null);
  for (const name of ["", "vsock:2:1", "notify", `/${"x".repeat(200)}`]) {
    // oxlint-disable-next-line no-await-in-loop -- few
    expect(await findServiceManager({ NOTIFY_SOCKET: name })).toBe(null);
  }
  const manager = await findServiceManager({ NOTIFY_SOCKET: "/nowhere/notify", WATCHDOG_USEC: "x" });
  expect(manager?.tell("READY=1")).toBe(false);
  manager?.beat();
  manager?.stop();
});
