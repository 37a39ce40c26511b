import { existsSync } from "node:fs";
import { expect, test } from "bun:test";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { toStatus } from "../../../src/cli/systemd/status.ts";
import { toSystemUser, toUnit, type UnitOptions } from "../../../src/cli/systemd/unit.ts";
import { testWithProgram } from "../../programs.ts";
import { TestFolder } from "../../setup.ts";
import { xcore } from "../xcore-process.ts";

const DEPLOY = join(import.meta.dir, "../../../deploy");
const OPTIONS: UnitOptions = {
  name: "xcore",
  user: "xcore",
  group: "xcore",
  command: ["/usr/local/bin/xcore", "--config", "/srv/xcore/config.json"],
  directory: "/srv/xcore",
  folders: [],
  ports: [8000],
  shutdownTimeout: 30,
};

test("deploy/ has the unit and the user that xcore service install makes for /srv/xcore", async () => {
  expect(toUnit(OPTIONS)).toBe(await Bun.file(join(DEPLOY, "xcore.service")).text());
  expect(toSystemUser("xcore", "/srv/xcore")).toBe(
    await Bun.file(join(DEPLOY, "xcore.sysusers.conf")).text(),
  );
});

test("toUnit() gives the right to a port below 1024 to those that listen on one, and no other", () => {
  expect(toUnit(OPTIONS)).toContain("\nCapabilityBoundingSet=\n");
  expect(toUnit(OPTIONS)).not.toContain("AmbientCapabilities");
  const low = toUnit({ ...OPTIONS, ports: [8443, 80] });
  expect(low).toContain(
    "\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n",
  );
  expect(low).not.toContain("PrivateUsers"); // in a namespace of users the right would be worth nothing
  expect(toUnit({ ...OPTIONS, ports: [0] })).toContain("\nCapabilityBoundingSet=\n");
});

test("toUnit() lets an executable in the project not be written, and sees a project below /home", () => {
  const own = toUnit({ ...OPTIONS, command: ["/srv/xcore/xcore"], folders: ["/var/lib/shop"] });
  expect(own).toContain('\nReadWritePaths="/srv/xcore" "/var/lib/shop"\nReadOnlyPaths="/srv/xcore/xcore"\n');
  expect(own).toContain("\nProtectHome=yes\n");
  expect(toUnit({ ...OPTIONS, directory: "/home/ada/shop" })).toContain("\nProtectHome=read-only\n");
});

test.each(['/srv/a"b', "/srv/a\\b", "/srv/a\nExecStartPre=/bin/evil", "/srv/it's", "/srv/shop "])(
  "toUnit() refuses the path %j",
  (path) => {
    for (const part of [{ directory: path }, { folders: [path] }, { command: ["/x", "--config", path] }]) {
      expect(() => toUnit({ ...OPTIONS, ...part })).toThrow("into a unit");
    }
    expect(() => toSystemUser("xcore", path)).toThrow("into a unit");
  },
);

testWithProgram(
  "systemd-analyze",
  "systemd reads the unit without a complaint, whatever its paths",
  async (analyze) => {
    await using folder = await TestFolder.create();
    const directory = join(folder.path, "my shop 100% $HOME %n");
    await mkdir(directory);
    const program = join(directory, "x core");
    await Bun.write(program, "#!/bin/sh\n");
    await chmod(program, 0o755);
    const file = join(folder.path, "shop.service");
    const command = [program, "--config", join(directory, "config.json")];
    await Bun.write(file, toUnit({ ...OPTIONS, user: "root", group: "root", command, directory }));
    const verify = Bun.spawnSync([analyze, "verify", "--man=no", "--generators=no", file]);
    expect(verify.stderr.toString() + verify.stdout.toString()).toBe("");
    expect(verify.exitCode).toBe(0);
    // 0 is all that systemd can do for a service, 10 nothing.
    const security = Bun.spawnSync([analyze, "security", "--offline=yes", "--threshold=18", file]);
    expect(security.stdout.toString()).toMatch(/Overall exposure level for shop\.service: 1\.\d OK/);
    expect(security.exitCode).toBe(0);
  },
);

test("xcore service says what it can't do on a machine without systemd, and prints the unit all the same", async () => {
  if (existsSync("/run/systemd/system")) return;
  await using folder = await TestFolder.create({ "config.json": { server: { port: 443 } } });
  const [install, status, dryRun, wrong] = await Promise.all([
    xcore(folder, ["service", "install"]),
    xcore(folder, ["service", "status"]),
    xcore(folder, ["service", "install", "--dry-run", "--name", "shop"]),
    xcore(folder, ["service", "install", "--dry-run", "--name", "../shop"]),
  ]);
  expect(install).toMatchObject({ code: 1, stdout: "" });
  expect(install.stderr).toContain("Cannot install a service: systemd doesn't run this machine");
  expect(status.stderr).toContain("systemd doesn't run this machine");
  expect(wrong.stderr).toContain('Cannot use "../shop" as the name of a service');
  if (folder.path.startsWith("/tmp/")) expect(dryRun.stderr).toContain("temporary");
  else {
    expect(dryRun.stdout).toContain(`WorkingDirectory=${folder.path}\n`);
    expect(dryRun.stdout).toContain("AmbientCapabilities=CAP_NET_BIND_SERVICE");
    expect(dryRun.stdout).toContain("systemctl edit shop");
  }
});

test("toStatus() reads what systemctl prints, also of what isn't there", () => {
  const running = toStatus(
    "shop",
    "LoadState=loaded\nFragmentPath=/nowhere/shop.service\nUnitFileState=enabled\nActiveState=active\nSubState=running\n" +
      "StatusText=Listening on http://127.0.0.1:8000\nMainPID=42\nUser=shop\nNRestarts=1\nMemoryCurrent=104857600",
  );
  expect(running).toMatchObject({
    installed: true,
    running: true,
    state: "active (running)",
    enabled: true,
    written_by_xcore: false,
    user: "shop",
    pid: 42,
    says: "Listening on http://127.0.0.1:8000",
    restarts: 1,
    memory: 104857600,
  });
  const missing =
    "LoadState=not-found\nActiveState=inactive\nSubState=dead\nMainPID=0\nMemoryCurrent=[not set]";
  expect(toStatus("shop", missing)).toMatchObject({
    installed: false,
    running: false,
    unit: null,
    pid: null,
    memory: null,
  });
});
