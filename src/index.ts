import { CommanderError } from "commander";
import manifest from "../package.json" with { type: "json" };
import { describeBuildFailure, describeFailure } from "./app/failure-text.ts";
import { createProgram } from "./cli/program.ts";
import { findRunningServer } from "./app/running-server.ts";

// Bound before plugins load: what they print while a command looks at them is sent elsewhere.
const writeOut = process.stdout.write.bind(process.stdout);

const args = process.argv.slice(2);

try {
  const program = await createProgram(
    {
      version: manifest.version,
      cwd: process.cwd(),
      env: process.env,
      print: (line) => void writeOut(`${line}\n`),
      warn: (line) => void process.stderr.write(`${line}\n`),
    },
    args,
  );
  await program.parseAsync(args, { from: "user" });
} catch (error) {
  process.exitCode = report(error);
}

// Timers of a plugin that was looked at would keep a command alive that is done.
if ((await findRunningServer()) === null) process.stdout.end(() => process.exit());

/** Tells the user what went wrong; returns the exit code: 1 failed, 2 wrong usage. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  process.stderr.write(`${describeBuildFailure(error) ?? describeFailure(error)}\n`);
  return 1;
}
