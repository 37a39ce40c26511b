import { existsSync } from "node:fs";
import { fail } from "../../errors/codes.ts";
import type { AppError } from "../../errors/errors.ts";

const BOOTED = "/run/systemd/system"; // sd_booted(3)

/** Whether systemd runs this machine. */
export function isBooted(): boolean {
  return process.platform === "linux" && existsSync(BOOTED) && Bun.which("systemctl") !== null;
}

/** @throws AppError service_failed where services can't be changed */
export function assertMayChange(what: string, instead: string): void {
  const refuse = (reason: string): AppError =>
    fail("service_failed", `Cannot ${what}: ${reason}; ${instead}`);
  if (!isBooted()) throw refuse("systemd doesn't run this machine");
  if (process.getuid?.() !== 0) throw refuse("only root may; run it with sudo");
}

/** What a command has left. */
export interface Ended {
  readonly code: number;
  /** What it wrote, of both kinds. */
  readonly output: string;
}

/** Runs a command of the system. */
export async function run(...command: string[]): Promise<Ended> {
  const child = Bun.spawn(command, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C", SYSTEMD_PAGER: "", SYSTEMD_COLORS: "0" },
  });
  const [code, out, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, output: (out + errors).trim() };
}

/** Runs a command of the system that must succeed. @throws AppError service_failed with what it says */
export async function runOrFail(...command: string[]): Promise<string> {
  const { code, output } = await run(...command);
  if (code === 0) return output;
  throw fail("service_failed", `"${command.join(" ")}" ended with ${code}: ${output || "it says nothing"}`);
}
