import { readFileSync } from "node:fs";
import { Command } from "commander";
import { fail } from "../../errors/codes.ts";
import type { CommandContext } from "../open/command-context.ts";
import { toExamples, toTable } from "../terminal/output.ts";
import { DEFAULT_NAME } from "./install.ts";
import { isBooted, runOrFail } from "./machine.ts";
import { assertName } from "./plan.ts";
import { MARK } from "./unit.ts";

/** What systemd is asked of a unit. */
const PROPERTIES = [
  "LoadState",
  "FragmentPath",
  "UnitFileState",
  "ActiveState",
  "SubState",
  "StatusText",
  "MainPID",
  "User",
  "NRestarts",
  "MemoryCurrent",
  "ActiveEnterTimestamp",
] as const;

interface Status {
  readonly name: string;
  readonly installed: boolean;
  readonly running: boolean;
  /** As systemd says it, such as "active (running)". */
  readonly state: string;
  /** Whether it starts with the machine. */
  readonly enabled: boolean;
  readonly unit: string | null;
  /** Whether xcore has written the unit. */
  readonly written_by_xcore: boolean;
  readonly user: string | null;
  readonly pid: number | null;
  /** What the server says of itself. */
  readonly says: string | null;
  readonly since: string | null;
  readonly restarts: number;
  /** Bytes. */
  readonly memory: number | null;
}

/** `xcore service status`: says how the service is. */
export function statusCommand(context: CommandContext): Command {
  return new Command("status")
    .description("Tell whether the service runs; exits with 1 where it doesn't")
    .option("--name <name>", "name of the service", DEFAULT_NAME)
    .option("--json", "print JSON")
    .addHelpText("after", toExamples("xcore service status", "xcore service status --json"))
    .action(async ({ name, json }: { name: string; json?: boolean }) => {
      assertName(name, "the name of a service");
      if (!isBooted()) {
        throw fail(
          "service_failed",
          `Cannot ask for ${name}: systemd doesn't run this machine; "xcore doctor" looks at a project without it`,
        );
      }
      const output = await runOrFail("systemctl", "show", name, `--property=${PROPERTIES.join(",")}`);
      const status = toStatus(name, output);
      if (json === true) context.print(JSON.stringify(status, null, 2));
      else {
        const rows = Object.entries(status).filter(([, value]) => value !== null);
        context.print(toTable(rows.map(([key, value]) => [key.replaceAll("_", " "), String(value)])));
      }
      if (!status.running) process.exitCode = 1;
    });
}

/** Reads what `systemctl show` prints. */
export function toStatus(name: string, output: string): Status {
  const values = new Map(
    output.split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  const textOf = (property: (typeof PROPERTIES)[number]): string | null => {
    const value = values.get(property) ?? "";
    return value === "" || value === "[not set]" ? null : value;
  };
  const countOf = (property: (typeof PROPERTIES)[number]): number | null => {
    const value = Number(textOf(property) ?? Number.NaN);
    return Number.isSafeInteger(value) && value > 0 ? value : null;
  };
  const unit = textOf("FragmentPath");
  const active = textOf("ActiveState") ?? "unknown";
  return {
    name,
    installed: textOf("LoadState") === "loaded",
    running: active === "active" || active === "reloading",
    state: `${active} (${textOf("SubState") ?? "unknown"})`,
    enabled: textOf("UnitFileState") === "enabled",
    unit,
    written_by_xcore: unit !== null && isOurs(unit),
    user: textOf("User"),
    pid: countOf("MainPID"),
    says: textOf("StatusText"),
    since: textOf("ActiveEnterTimestamp"),
    restarts: countOf("NRestarts") ?? 0,
    memory: countOf("MemoryCurrent"),
  };
}

function isOurs(file: string): boolean {
  try {
    return readFileSync(file, "utf8").startsWith(MARK);
  } catch {
    return false;
  }
}
