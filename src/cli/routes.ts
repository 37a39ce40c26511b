import { Command } from "commander";
import { findUndeclaredPermissions } from "../plugins/inventory/mistakes.ts";
import { showGuards } from "../plugins/source/surface.ts";
import type { CommandContext } from "./open/command-context.ts";
import { toExamples, toTable } from "./terminal/output.ts";
import { inspect, warnOfFailures } from "./open/inspection.ts";

/** `xcore routes`: prints every route that the plugins serve. */
export function routesCommand(context: CommandContext): Command {
  return new Command("routes")
    .description("List the routes of the plugins, and who may use them: OPEN is everybody")
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore routes", "xcore routes --json"))
    .action(async (options: { json?: boolean }, command: Command) => {
      const routes = await inspect(command, context, (app) => {
        warnOfFailures(app, context);
        const records = app.plugins.list();
        const undeclared = records.flatMap((record) => findUndeclaredPermissions(record, records));
        for (const message of undeclared) context.warn(message);
        return records.flatMap(({ name, current }) =>
          (current?.surface.routes ?? []).map((route) => ({ ...route, plugin: name })),
        );
      });
      if (options.json) context.print(JSON.stringify(routes, null, 2));
      else
        context.print(
          toTable([
            ["METHOD", "PATH", "GUARD", "PLUGIN"],
            ...routes.map((route) => [route.method, route.path, showGuards(route), route.plugin]),
          ]),
        );
    });
}
