import { DatabaseError } from "../db/contract/database-error.ts";
import { InvalidMigrationError, MigrationError } from "../db/migrations/error.ts";
import { AppError } from "../errors/errors.ts";
import { fail } from "../errors/codes.ts";
import { describeSystemError } from "../files/system-errors.ts";
import { describePluginError, PluginError } from "../plugins/failure/failure.ts";

const EXPECTED_ERRORS = [AppError, DatabaseError, MigrationError, InvalidMigrationError];

/** What a person should read of an error that ends a command: the stack only of what nobody expected. */
export function describeFailure(error: unknown): string {
  if (error instanceof PluginError) return describePluginError(error);
  if (!(error instanceof Error)) return String(error);
  const isExpected = EXPECTED_ERRORS.some((type) => error instanceof type) || "syscall" in error;
  if (!isExpected) return error.stack ?? error.message;
  return describeSystemError(error) ?? error.message;
}

/** Where code that was to be loaded can't be read, as `bun --hot` finds it; null for any other error. */
export function describeBuildFailure(error: unknown): string | null {
  const mistakes: unknown[] = error instanceof AggregateError ? error.errors : [error];
  const lines = mistakes.flatMap((mistake) => {
    if (!(mistake instanceof BuildMessage) && !(mistake instanceof ResolveMessage)) return [];
    const { message, position } = mistake;
    return position === null ? message : `${position.file}:${position.line}:${position.column}: ${message}`;
  });
  return lines.length === 0 ? null : lines.join("\n");
}

/** Why an address can't be listened on, and what to do about it; null where nobody knows. */
export interface ListenFailure {
  readonly reason: string;
  readonly advice: string | null;
}

/** Where a server is to listen. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
  /** What the port is set with, as advice names it. @default "--port or server.port" */
  readonly setting?: string;
}

const NO_ADDRESS: ListenFailure = {
  reason: "the host has no address",
  advice: "choose another with --host or server.host",
};
const SETTING = "--port or server.port";
const LISTEN_FAILURES: Readonly<Record<string, (setting: string) => ListenFailure>> = {
  EADDRINUSE: (setting) => ({
    reason: "the port is in use",
    advice: `stop the other program, or choose another port with ${setting}`,
  }),
  EACCES: (setting) => ({
    reason: "this user may not use the port",
    advice: `have it run as a service, which may (xcore service install), or choose one above 1023 with ${setting}`,
  }),
  EADDRNOTAVAIL: () => ({
    reason: "this machine doesn't have the address",
    advice: "choose another with --host or server.host",
  }),
};

/** Says what to do about an address that can't be listened on: AppError port_unavailable. */
export async function toListenError(error: unknown, address: Address): Promise<AppError> {
  const { hostname, port } = address;
  const { reason, advice } = await findListenFailure(error, address);
  const text = advice === null ? reason : `${reason}; ${advice}`;
  return fail("port_unavailable", `Cannot listen on ${hostname}:${port}: ${text}`, { cause: error });
}

/** Says why an address can't be listened on. */
export async function findListenFailure(
  error: unknown,
  { hostname, setting = SETTING }: Pick<Address, "hostname" | "setting">,
): Promise<ListenFailure> {
  // For a host without an address, Bun gives the code of whatever failed last: EINVAL, ENOENT, ENOTCONN, …
  if (!(await hasAddress(hostname))) return NO_ADDRESS;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reason = error instanceof Error ? error.message : String(error);
  return LISTEN_FAILURES[code]?.(setting) ?? { reason, advice: null };
}

/** Whether the system's resolver, which listening asks as well, knows an address of a host. */
async function hasAddress(hostname: string): Promise<boolean> {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  try {
    return host === "*" || (await Bun.dns.lookup(host, { backend: "libc" })).length > 0;
  } catch {
    return false;
  }
}
