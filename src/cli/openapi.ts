import { Command } from "commander";
import type { CommandContext } from "./open/command-context.ts";
import { toExamples } from "./terminal/output.ts";
import { inspect, warnOfFailures } from "./open/inspection.ts";

/** `xcore openapi`: prints the OpenAPI document without running a server. */
export function openApiCommand(context: CommandContext): Command {
  return new Command("openapi")
    .description("Print the OpenAPI document of the server and its plugins")
    .addHelpText("after", toExamples("xcore openapi > openapi.json"))
    .action(async (_options: object, command: Command) => {
      const document = await inspect(command, context, (app) => {
        warnOfFailures(app, context);
        return app.openApi();
      });
      context.print(JSON.stringify(document, null, 2));
    });
}
