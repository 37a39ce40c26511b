import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { Command } from "commander";
import { toConfigJsonSchema } from "../config/json-schema.ts";
import { loadConfig } from "../config/load.ts";
import type { CommandContext } from "./open/command-context.ts";
import { EDITOR_FOLDER } from "../editor/folder.ts";
import { offerEditor } from "../editor/project.ts";
import { toExamples } from "./terminal/output.ts";
import { toOwnCommand } from "./terminal/own-command.ts";
import { writePlugin } from "./plugin/new.ts";

const CONFIG = {
  $schema: "./xcore.schema.json",
  app: { name: "xcore" },
  server: { host: "127.0.0.1", port: 8000 },
  plugins: { directory: "plugins" },
};

const GIT_IGNORE = `# Secrets, and what xcore makes or keeps for itself
.env
${EDITOR_FOLDER}/
data/
logs/
node_modules/
coverage/
# The executable, and what a build of it leaves
/xcore
/xcore.exe
/dist/
*.bun-build
# Packed plugins, and the private keys that sign them
/*.tgz
*.key
`;

/** `xcore init [DIR]`: makes the files of a new project, and leaves those alone that are there. */
export function initCommand(context: CommandContext): Command {
  return new Command("init")
    .description(
      "Start a project: config.json with its schema, .env with a secret key, a first plugin, editor types",
    )
    .argument("[directory]", "where to start it", ".")
    .addHelpText("after", toExamples("xcore init", "xcore init shop && cd shop && xcore"))
    .action(async (directory: string) => {
      const target = resolve(context.cwd, directory);
      await mkdir(target, { recursive: true });
      // A project that is there has a key already: another would end its sessions, and void its OTP devices.
      const isNew = !existsSync(join(target, "config.json")) && !existsSync(join(target, "data"));
      const files: [string, string, number?][] = [
        ["config.json", `${JSON.stringify(CONFIG, null, 2)}\n`],
        ["xcore.schema.json", `${JSON.stringify(toConfigJsonSchema(), null, 2)}\n`],
        [".gitignore", GIT_IGNORE],
        ...(isNew ? [[".env", toDotEnv(), 0o600] as [string, string, number]] : []),
      ];
      for (const [name, text, mode] of files) {
        await make(context, join(target, name), (file) => writeFile(file, text, { flag: "wx", mode }));
      }
      // config.json may have been there before, and the environment may add to it.
      const loaded = loadConfig({ cwd: target, env: context.env });
      const { config } = loaded;
      const plugin = join(resolve(target, config.plugins.directory), "hello");
      await make(context, plugin, (folder) => writePlugin(folder, "hello"));
      const editor = await offerEditor(loaded, context.warn);
      if (editor !== null) {
        report(context, join(target, EDITOR_FOLDER), editor.folder !== "current");
        report(context, join(target, "tsconfig.json"), editor.tsconfig === "made");
      }
      const enter = target === context.cwd ? "" : `cd ${relative(context.cwd, target)} && `;
      const { host, port } = config.server;
      const address = `http://${host}:${port}`;
      const next = [
        [`${enter}${toOwnCommand(target)}`, "serves it, and prints a link to make the first administrator"],
        [`${address}/hello`, "is answered by plugins/hello: a change is served as it is saved"],
        [`${address}/ui`, "has the administration"],
      ] as const;
      const width = Math.max(...next.map(([what]) => what.length));
      context.print(
        ["\nNext:", ...next.map(([what, does]) => `  ${what.padEnd(width)}  ${does}`)].join("\n"),
      );
    });
}

/** The secret of a project, fresh each time. */
function toDotEnv(): string {
  const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
  return `# Tokens are signed with it. Another one ends every session, and voids the OTP devices.\nJWT_SECRET_KEY=${secret}\n`;
}

async function make(
  context: CommandContext,
  path: string,
  write: (path: string) => Promise<void>,
): Promise<void> {
  const isMissing = !existsSync(path);
  if (isMissing) await write(path);
  report(context, path, isMissing);
}

function report(context: CommandContext, path: string, isMade: boolean): void {
  context.print(`${isMade ? "made" : "kept"}  ${relative(context.cwd, path)}`);
}
