import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { type CommandContext, loadFor } from "./open/command-context.ts";
import { EDITOR_FOLDER } from "../editor/folder.ts";
import { prepareEditor } from "../editor/project.ts";
import { toExamples } from "./terminal/output.ts";

/** `xcore test`: runs tests with the test runner of Bun, which the executable holds. */
export function testCommand(context: CommandContext): Command {
  return new Command("test")
    .description("Run the tests of plugins: *.test.ts, which import bun:test and xcore/testing")
    .argument("[arguments...]", "files to run and options, as of `bun test`")
    .allowUnknownOption()
    .addHelpText(
      "after",
      toExamples("xcore test", "xcore test plugins/crm", 'xcore test --watch -t "lists invoices"'),
    )
    .action(async (args: string[], _options: object, command: Command) => {
      await prepare(command, context);
      // Under Bun the tests find xcore by themselves: what runs now is Bun.
      const host = Bun.isStandaloneExecutable ? { XCORE: process.execPath } : {};
      const child = Bun.spawn([process.execPath, "test", ...args], {
        cwd: context.cwd,
        env: { ...context.env, ...host, BUN_BE_BUN: "1" },
        stdio: ["inherit", "inherit", "inherit"],
      });
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
      process.exitCode = await child.exited;
    });
}

/** Makes sure that tests find xcore/testing, of this version: a fresh clone of a project doesn't have it. */
async function prepare(command: Command, context: CommandContext): Promise<void> {
  const directory = findProject(context.cwd);
  try {
    const { tsconfig } = await prepareEditor(loadFor(command, { ...context, cwd: directory }), context.warn);
    if (tsconfig !== "foreign") return;
    const extended = `"extends": "./${EDITOR_FOLDER}/tsconfig.json"`;
    context.warn(`Tests find "xcore/testing" when ${join(directory, "tsconfig.json")} holds ${extended}`);
  } catch (error) {
    // What a server needs to start, such as variables of its configuration, tests do without.
    if (!existsSync(join(directory, EDITOR_FOLDER, "testing.ts"))) throw error;
  }
}

/** The folder of config.json, or of what an editor was given, that the tests belong to. */
function findProject(cwd: string): string {
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (["config.json", EDITOR_FOLDER].some((name) => existsSync(join(folder, name)))) return folder;
    if (folder === dirname(folder)) return cwd;
  }
}
