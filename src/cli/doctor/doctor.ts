import { Command } from "commander";
import { findRefusals } from "../../app/refusals.ts";
import { ConfigError, type LoadedConfig } from "../../config/load.ts";
import { type CommandContext, loadFor } from "../open/command-context.ts";
import { type CommandPlugins, loadCommandPlugins } from "../open/plugins.ts";
import { toCount, toExamples } from "../terminal/output.ts";
import { checkDatabase } from "./database.ts";
import { checkDisk, checkFiles } from "./files.ts";
import { type Area, type Finding, ok, problem, toMessage } from "./findings.ts";
import { checkPins, checkPlugins } from "./plugins.ts";
import { checkCache, checkCertificate, checkMail, checkPort, checkRedis } from "./reach.ts";

const MARKS: Readonly<Record<Finding["state"], string>> = {
  ok: "ok",
  warning: "warning",
  problem: "PROBLEM",
};

/** `xcore doctor`: looks at all that a server needs, and says what to do. */
export function doctorCommand(context: CommandContext): Command {
  return new Command("doctor")
    .description(
      "Look at all that the server needs: configuration, files, disk, certificate, database, migrations, clock, cache, mail, plugins " +
        "and their pins, port. Nothing is changed; exits with 1 when something doesn't work",
    )
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore doctor", "xcore doctor --json"))
    .action(async (options: { json?: boolean }, command: Command) => {
      const findings = await examine(command, context);
      const problems = findings.filter(({ state }) => state === "problem").length;
      if (options.json === true) {
        context.print(JSON.stringify({ ok: problems === 0, version: context.version, findings }, null, 2));
      } else for (const finding of findings) context.print(toLine(finding));
      if (problems === 0) return;
      context.warn(`${toCount(problems, "problem")}: see above`);
      process.exitCode = 1;
    });
}

async function examine(command: Command, context: CommandContext): Promise<Finding[]> {
  const version = ok(
    "version",
    `xcore ${context.version}, Bun ${Bun.version}, ${process.platform} ${process.arch}`,
  );
  let loaded: LoadedConfig;
  try {
    loaded = loadFor(command, context, { plugins: { offline: true } });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [version, problem("config", error.message, "mend it: nothing else can be looked at before")];
  }
  const { file, exists } = loaded;
  const refusals = await findRefusals(loaded);
  const config = refusals.map((refusal) => problem("config", refusal, "mend it: no server starts so"));
  const usable = exists ? `${file} can be used` : "there is no config.json: every key has its default";
  const findings = [version, ...(config.length > 0 ? config : [ok("config", usable)])];
  for (const [area, check] of createChecks(loaded, command, context)) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as they are told
    findings.push(...(await attempt(area, check)));
  }
  return findings;
}

function createChecks(
  loaded: LoadedConfig,
  command: Command,
  context: CommandContext,
): readonly (readonly [Area, () => Promise<Finding[]>])[] {
  const silent = { ...context, warn() {} };
  let reading: Promise<CommandPlugins> | null = null;
  // Nothing is fetched for a look.
  const plugins = () => (reading ??= loadCommandPlugins(command, silent, { plugins: { offline: true } }));
  return [
    ["files", () => checkFiles(loaded)],
    ["disk", () => checkDisk(loaded)],
    ["tls", () => checkCertificate(loaded)],
    // Before they are read: a copy that isn't what is pinned is dropped then.
    ["plugins", () => checkPins(command, silent)],
    ["plugins", async () => checkPlugins(await plugins())],
    ["database", async () => checkDatabase(await plugins())],
    ["cache", () => checkCache(loaded)],
    ["redis", () => checkRedis(loaded)],
    ["mail", () => checkMail(loaded)],
    ["port", () => checkPort(loaded)],
  ];
}

/** What keeps one look from being taken is told, and the others are. */
async function attempt(area: Area, check: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check();
  } catch (error) {
    return [problem(area, toMessage(error), "mend what it says, and look again")];
  }
}

function toLine({ area, state, message, advice }: Finding): string {
  const line = `${MARKS[state].padEnd(8)} ${area.padEnd(10)} ${message.replaceAll("\n", `\n${" ".repeat(20)}`)}`;
  return advice === null ? line : `${line}\n${" ".repeat(20)}${advice}`;
}
