import { Command } from "commander";
import { EDITOR_FOLDER } from "../editor/folder.ts";
import { prepareEditor } from "../editor/project.ts";
import { type CommandContext, loadFor } from "./open/command-context.ts";
import { toExamples } from "./terminal/output.ts";

const STATES = {
  made: `Made ${EDITOR_FOLDER}/`,
  replaced: `Replaced ${EDITOR_FOLDER}/`,
  updated: `Updated ${EDITOR_FOLDER}/`,
  current: `${EDITOR_FOLDER}/ is up to date`,
};

/** `xcore types`: writes what an editor needs to complete and check plugins. */
export function typesCommand(context: CommandContext): Command {
  return new Command("types")
    .description(`Write ${EDITOR_FOLDER}/, with which an editor and tsc know what plugins import`)
    .addHelpText("after", toExamples("xcore types"))
    .action(async (_options: object, command: Command) => {
      const loaded = loadFor(command, context);
      const { folder, tsconfig } = await prepareEditor(loaded, context.warn);
      context.print(`${STATES[folder]}: the types of xcore ${context.version} and of its packages`);
      if (tsconfig === "made") context.print("Made tsconfig.json, which extends it");
      if (tsconfig === "foreign") {
        context.print(`Add "extends": "./${EDITOR_FOLDER}/tsconfig.json" to tsconfig.json to use it`);
      }
    });
}
