import { fail } from "../../errors/codes.ts";

/** What a unit of systemd says of a server. */
export interface UnitOptions {
  /** Of the service, without ".service". */
  readonly name: string;
  readonly user: string;
  readonly group: string;
  /** Absolute path of the program, and what stands before the command. */
  readonly command: readonly string[];
  /** Absolute path of the project. */
  readonly directory: string;
  /** Absolute paths outside of the project that it writes to. */
  readonly folders: readonly string[];
  /** All that it listens on. */
  readonly ports: readonly number[];
  /** `server.shutdown_timeout`, in seconds. */
  readonly shutdownTimeout: number;
}

/** The first line of a unit that xcore has written, and may write anew. */
export const MARK = "# Written by xcore service install, which writes it anew.";

const FIRST_FREE_PORT = 1024;
const STOP_RESERVE = 15; // seconds beyond what the server gives itself
const HOMES = ["/home", "/root", "/run/user"];

/** What no server needs, whatever its configuration. */
const RIGHTS = [
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "LockPersonality=yes",
  "PrivateDevices=yes",
  "DevicePolicy=closed",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectProc=invisible",
  "KeyringMode=private",
  "RemoveIPC=yes",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@privileged @resources",
  "SystemCallErrorNumber=EPERM",
];

/**
 * Writes a unit of systemd that lets the server do what it needs, and little else. It may write to the project, for the
 * administration changes config.json and plugins there, and not to its own executable.
 *
 * @throws AppError service_failed for a path that a unit can't hold
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html
 */
export function toUnit(options: UnitOptions): string {
  const { name, user, group, command, directory, folders, ports, shutdownTimeout } = options;
  const [program = "", ...args] = command;
  for (const path of [...command, directory, ...folders]) assertPlain(path);
  const bindsLow = ports.some((port) => port > 0 && port < FIRST_FREE_PORT);
  const isAtHome = [program, directory, ...folders].some((path) => HOMES.some((home) => isIn(home, path)));
  const start = [toProgram(program), ...args.map(toArgument)].join(" ");
  const lines = {
    Unit: [
      `Description=xcore in ${escapeSpecifiers(directory)}`,
      "Wants=network-online.target",
      "After=network-online.target postgresql.service mariadb.service mysql.service redis-server.service redis.service",
      "# It is started again for as long as it takes, for a database may be away for long.",
      "StartLimitIntervalSec=0",
    ],
    Service: [
      "Type=notify",
      "NotifyAccess=main",
      `User=${user}`,
      `Group=${group}`,
      `WorkingDirectory=${escapeSpecifiers(directory)}`,
      `ExecStart=${start} serve`,
      "# A new process takes over from the one that runs: no request is refused.",
      `ExecReload=${start} service restart`,
      "# The server ends what it has started itself.",
      "KillMode=mixed",
      "# Migrations of a large database take their time.",
      "TimeoutStartSec=15min",
      `TimeoutStopSec=${shutdownTimeout + STOP_RESERVE}`,
      "WatchdogSec=60",
      "Restart=always",
      "RestartSec=5",
      "RestartPreventExitStatus=2",
      "UMask=0027",
      "LimitNOFILE=65536",
      "",
      "# What it may write. Its own executable it may not.",
      "ProtectSystem=strict",
      `ReadWritePaths=${[directory, ...folders].map(quote).join(" ")}`,
      ...(isIn(directory, program) ? [`ReadOnlyPaths=${quote(program)}`] : []),
      `ProtectHome=${isAtHome ? "read-only" : "yes"}`,
      "PrivateTmp=yes",
      "",
      "# What it may do. Its code is compiled while it runs, which MemoryDenyWriteExecute would forbid.",
      "NoNewPrivileges=yes",
      ...(bindsLow
        ? ["CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "AmbientCapabilities=CAP_NET_BIND_SERVICE"]
        : ["CapabilityBoundingSet=", "PrivateUsers=yes"]),
      ...RIGHTS,
    ],
    Install: ["WantedBy=multi-user.target"],
  };
  const sections = Object.entries(lines).map(([section, text]) => `[${section}]\n${text.join("\n")}\n`);
  const own = `# Changes of your own belong into a file beside it: systemctl edit ${name}`;
  return `${MARK}\n${own}\n\n${sections.join("\n")}`;
}

/** Writes what systemd-sysusers makes a system user of. */
export function toSystemUser(user: string, directory: string): string {
  assertPlain(directory);
  return `${MARK}\nu ${user} - "xcore" ${quote(directory)}\n`;
}

/** @throws AppError service_failed */
function assertPlain(path: string): void {
  // oxlint-disable-next-line no-control-regex -- as they end lines; what ends in a space loses it
  if (!/[\0-\x1f\x7f"'\\]|\s$/.test(path)) return;
  const what = "a unit of systemd can't hold quotes, backslashes, control characters and spaces at the end";
  throw fail(
    "service_failed",
    `Cannot write ${JSON.stringify(path)} into a unit: ${what}; use another folder`,
  );
}

function isIn(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll("%", "%%");
}

function quote(text: string): string {
  return `"${escapeSpecifiers(text)}"`;
}

/** Variables are filled into arguments, but not into the path of the program. */
function toArgument(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : quote(text.replaceAll("$", "$$$$"));
}

function toProgram(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : quote(path);
}
