import { Command } from "commander";
import { listRoutes } from "../plugins/admin/answers.ts";
import type { CommandContext } from "./open/command-context.ts";
import { toExamples, toTable } from "./terminal/output.ts";
import { inspect, warnOfFailures } from "./open/inspection.ts";

/** `xcore routes`: prints every route that the plugins serve. */
export function routesCommand(context: CommandContext): Command {
  return new Command("routes")
    .description("List the routes of the plugins")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore routes", "xcore routes --json"))
    .action(async (options: { json?: boolean }, command: Command) => {
      const routes = await inspect(command, context, (app) => {
        warnOfFailures(app, context);
        return app.plugins
          .list()
          .flatMap((record) => listRoutes(record).map((route) => ({ ...route, plugin: record.name })));
      });
      if (options.json) context.print(JSON.stringify(routes, null, 2));
      else
        context.print(
          toTable([["METHOD", "PATH", "PLUGIN"], ...routes.map((r) => [r.method, r.path, r.plugin])]),
        );
    });
}
