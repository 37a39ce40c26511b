import { existsSync, lchownSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import type { LoadedConfig } from "../../config/load.ts";
import { fail } from "../../errors/codes.ts";
import { replaceBytes } from "../../files/replace.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { toCount, toExamples } from "../terminal/output.ts";
import { assertMayChange, run, runOrFail } from "./machine.ts";
import { assertName, type ServiceIdentity, toUnitOptions } from "./plan.ts";
import { MARK, toSystemUser, toUnit, type UnitOptions } from "./unit.ts";

const UNITS = "/etc/systemd/system";
const USERS = "/etc/sysusers.d";
export const DEFAULT_NAME = "xcore";

interface InstallOptions {
  readonly name: string;
  readonly user?: string;
  readonly dryRun?: boolean;
  readonly start: boolean;
}

/** `xcore service install`: writes a unit of systemd for the project, and starts it. */
export function installCommand(context: CommandContext): Command {
  return new Command("install")
    .description("Have systemd run the server of this project, as a user that may do little else")
    .option("--name <name>", "name of the service", DEFAULT_NAME)
    .option(
      "--user <user>",
      "who it runs as (default: whoever the project belongs to; where that is root, a user of the service's name, who is made)",
    )
    .option("--no-start", "don't start it now")
    .option("--dry-run", "print the unit, and change nothing")
    .addHelpText(
      "after",
      toExamples(
        "xcore service install --dry-run",
        "sudo xcore service install",
        "sudo xcore --config /srv/shop/config.json service install --name shop",
      ),
    )
    .action(async (options: InstallOptions, command: Command) => {
      const loaded = loadFor(command, context);
      assertName(options.name, "the name of a service");
      if (options.user !== undefined) assertName(options.user, "the name of a user");
      if (options.dryRun === true) {
        const user = options.user ?? (await findOwner(loaded.directory)) ?? options.name;
        const identity = { user, group: (await findGroup(user)) ?? user, program: toProgram() };
        return context.print(toUnit(toUnitOptions(options.name, identity, loaded)).trimEnd());
      }
      assertMayChange("install a service", '"xcore service install --dry-run" prints the unit');
      await install(options, loaded, context);
    });
}

/** Where the unit of a service is. */
export function toUnitFile(name: string): string {
  return join(UNITS, `${name}.service`);
}

/** Whether the unit of a service is one that xcore may write anew, or remove. @throws AppError service_failed for another's */
export function assertOwnUnit(file: string): void {
  if (!existsSync(file) || readFileSync(file, "utf8").startsWith(MARK)) return;
  throw fail(
    "service_failed",
    `Cannot change ${file}: xcore service install hasn't written it; remove it, or choose another --name`,
  );
}

async function install(
  { name, user: asked, start }: InstallOptions,
  loaded: LoadedConfig,
  context: CommandContext,
): Promise<void> {
  const file = toUnitFile(name);
  assertOwnUnit(file);
  const user = asked ?? (await findOwner(loaded.directory)) ?? name;
  const program = toProgram();
  const isNew = (await findGroup(user)) === null;
  // What can't be written is refused before anything is.
  toUnit(toUnitOptions(name, { user, group: user, program }, loaded));
  if (isNew) await makeUser(user, loaded.directory);
  const identity: ServiceIdentity = { user, group: (await findGroup(user)) ?? user, program };
  const unit = toUnitOptions(name, identity, loaded);
  await assertReaches(unit, "-x");
  const given = await giveFolders(unit);
  if (isNew) context.print(`Made the user ${user}`);
  if (given > 0) context.print(`${toCount(given, "file")} of root in the project belong to ${user} now`);
  await assertReaches(unit, "-w");
  await replaceBytes(file, new TextEncoder().encode(toUnit(unit)));
  await runOrFail("systemctl", "daemon-reload");
  await runOrFail("systemctl", "enable", "--quiet", name);
  context.print(`Wrote ${file}`);
  if (!start) return context.print(`Start it with: systemctl start ${name}`);
  const isRunning = (await run("systemctl", "is-active", "--quiet", name)).code === 0;
  const { code } = await run("systemctl", isRunning ? "restart" : "start", name);
  if (code === 0) return context.print(`${name} runs: xcore service status, journalctl -u ${name}`);
  const { output } = await run("journalctl", "-u", name, "-n", "20", "--no-pager", "-o", "cat");
  throw fail("service_failed", `${name} can't start; the end of its log:\n${output}`);
}

/** The executable, or Bun with the sources. */
function toProgram(): string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
}

/** Whom a folder belongs to; null where that is root. */
async function findOwner(folder: string): Promise<string | null> {
  const { uid } = statSync(folder);
  if (uid === 0 || process.platform !== "linux") return null;
  const { code, output } = await run("id", "--user", "--name", String(uid));
  return code === 0 ? output : null;
}

/** The first group of a user; null where there is no such user. */
async function findGroup(user: string): Promise<string | null> {
  if (process.platform !== "linux") return null;
  const { code, output } = await run("id", "--group", "--name", user);
  return code === 0 ? output : null;
}

async function makeUser(user: string, directory: string): Promise<void> {
  mkdirSync(USERS, { recursive: true });
  const file = join(USERS, `${user}.conf`);
  await replaceBytes(file, new TextEncoder().encode(toSystemUser(user, directory)));
  await runOrFail("systemd-sysusers", file);
}

/**
 * Gives what root has in the project to the user of the service: who sets a server up with sudo leaves such files behind.
 * The system's own command follows no link, whatever becomes one meanwhile. The executable stays root's.
 */
async function giveFolders({ user, group, command, directory, folders }: UnitOptions): Promise<number> {
  const [program = ""] = command;
  const { uid, gid } = statSync(program);
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  const options = ["--recursive", "--no-dereference", "--changes", "--from=0", `${user}:${group}`];
  const changes = await runOrFail("chown", ...options, "--", directory, ...folders);
  lchownSync(program, uid, gid);
  return changes === "" ? 0 : changes.split("\n").length;
}

/** @throws AppError service_failed where the user of the service may not run the executable and enter or write the project */
async function assertReaches({ user, command, directory }: UnitOptions, right: "-x" | "-w"): Promise<void> {
  for (const path of right === "-x" ? [command[0] ?? "", directory] : [directory]) {
    // oxlint-disable-next-line no-await-in-loop -- two
    const { code } = await run("runuser", "-u", user, "--", "test", right, path);
    if (code === 0) continue;
    throw fail(
      "service_failed",
      `Cannot run the service as ${user}, who can't ${right === "-x" ? "reach" : "write to"} ${path}: move it to a folder that ` +
        "others may enter, such as /srv/xcore or /usr/local/bin, or choose another user with --user",
    );
  }
}
