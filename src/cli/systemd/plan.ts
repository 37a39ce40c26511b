import { dirname, resolve, sep } from "node:path";
import { parseDatabaseUrl } from "../../db/contract/database-url.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { fail } from "../../errors/codes.ts";
import type { UnitOptions } from "./unit.ts";

/** A name of a unit, and of a user. */
const NAME = /^[a-z][a-z0-9_-]{0,30}$/;
const SYSTEM = [
  ..."/ /bin /boot /dev /etc /home /lib /lib64 /mnt /media /opt /proc /root /run".split(" "),
  ..."/sbin /srv /sys /tmp /usr /usr/local /usr/local/bin /var /var/lib".split(" "),
];

/** Each service has an empty one of its own. */
const TEMPORARY = /^(?:\/var)?\/tmp\//;

/** Who the service runs as, and what starts the server. */
export interface ServiceIdentity {
  readonly user: string;
  readonly group: string;
  /** Absolute path of the program, and its first arguments. */
  readonly program: readonly string[];
}

/** Checks a name that the user has typed. @throws AppError service_failed */
export function assertName(name: string, what: string): void {
  if (NAME.test(name)) return;
  const rule = "it begins with a small letter, and has letters, digits, - and _, 31 at most";
  throw fail("service_failed", `Cannot use ${JSON.stringify(name)} as ${what}: ${rule}`);
}

/**
 * Says what the unit of a project is made of.
 *
 * @throws AppError service_failed for a folder that isn't the project's alone
 */
export function toUnitOptions(
  name: string,
  { user, group, program }: ServiceIdentity,
  loaded: LoadedConfig,
): UnitOptions {
  const { directory, file, exists, config } = loaded;
  assertOwnFolder(directory);
  const { server } = config;
  const { redirect_port } = server.tls;
  return {
    name,
    user,
    group,
    command: exists ? [...program, "--config", file] : program,
    directory,
    folders: listFolders(loaded),
    ports: [server.port, ...(redirect_port === null ? [] : [redirect_port])],
    shutdownTimeout: server.shutdown_timeout,
  };
}

/** Folders outside of the project that its configuration has the server write to. */
function listFolders({ directory, config }: LoadedConfig): string[] {
  const { app, database, logging, plugins, storage, backups } = config;
  const url = parseDatabaseUrl(database.url, directory);
  const named = [
    app.data_directory,
    logging.directory,
    plugins.directory,
    storage.directory,
    backups.directory,
  ];
  const all = [
    ...named.map((folder) => resolve(directory, folder)),
    ...(url.dialect === "sqlite" ? [dirname(url.file)] : []),
  ];
  const outside = all.filter((folder) => folder !== directory && !folder.startsWith(directory + sep));
  for (const folder of outside) assertOwnFolder(folder);
  return [...new Set(outside)].toSorted();
}

/** @throws AppError service_failed */
function assertOwnFolder(folder: string): void {
  if (!SYSTEM.includes(folder) && !TEMPORARY.test(folder)) return;
  throw fail(
    "service_failed",
    `Cannot let a service write to ${folder}: it is the system's, or temporary; put the project into a folder of its own, such as /srv/xcore`,
  );
}
