import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import type { LoadedConfig } from "../../config/load.ts";
import { parseDatabaseUrl } from "../../db/contract/database-url.ts";
import { type Finding, ok, problem, toMessage, warning } from "./findings.ts";

const SCARCE_BYTES = 1024 ** 3;
const FULL_BYTES = 100 * 1024 ** 2;

/** Looks at who may read the files that hold secrets, and whether this user may write where the server does. */
export async function checkFiles(loaded: LoadedConfig): Promise<Finding[]> {
  const { config, directory } = loaded;
  const data = resolve(directory, config.app.data_directory);
  const url = parseDatabaseUrl(config.database.url, directory);
  const secrets = [join(directory, ".env"), join(data, "jwt_secret_key")];
  const written = [
    data,
    ...(url.dialect === "sqlite" ? [dirname(url.file)] : []),
    ...(config.logging.directory === null ? [] : [resolve(directory, config.logging.directory)]),
    ...(config.storage.backend === "local" ? [resolve(directory, config.storage.directory)] : []),
    ...(config.backups.schedule === null && !config.backups.before_migration
      ? []
      : [resolve(directory, config.backups.directory)]),
  ];
  const show = (file: string): string => relative(directory, file) || ".";
  const { key } = config.server.tls;
  // A group may make backups of the one, and renew the other.
  const shared = [
    ...(url.dialect === "sqlite" ? [url.file] : []),
    ...(key === null ? [] : [resolve(directory, key)]),
  ];
  const found = await Promise.all([
    ...secrets.map((file) => checkSecrecy(file, show(file), 0o077)),
    ...shared.map((file) => checkSecrecy(file, show(file), 0o007)),
    ...[...new Set(written)].map((folder) => checkWriting(folder, show(folder))),
  ]);
  const wrong = found.filter((finding) => finding !== null);
  return wrong.length > 0
    ? wrong
    : [ok("files", "what is secret is its user's alone, and folders can be written")];
}

async function checkSecrecy(file: string, shown: string, others: number): Promise<Finding | null> {
  // Windows has no such modes.
  if (process.platform === "win32") return null;
  const found = await stat(file).catch(() => null);
  if (found === null || (found.mode & others) === 0) return null;
  // Its folder may keep them out as well.
  const folder = await stat(dirname(file)).catch(() => null);
  if (folder !== null && (folder.mode & others) === 0) return null;
  const mode = (found.mode & 0o777).toString(8);
  const who = others === 0o007 ? "o" : "go";
  return warning("files", `others may read ${shown} (mode ${mode})`, `run \`chmod ${who}= ${shown}\``);
}

async function checkWriting(folder: string, shown: string): Promise<Finding | null> {
  const there = await findExisting(folder);
  if ((await stat(there).catch(() => null))?.isDirectory() === false) {
    const advice = "move it away, or choose another folder in config.json";
    const file = there === folder ? "it" : there;
    return problem("files", `cannot write to ${shown}: ${file} is a file, and no folder`, advice);
  }
  try {
    await access(there, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const advice = `make this user its owner, or choose another folder in config.json`;
    return problem("files", `cannot write to ${shown}: ${toMessage(error)}`, advice);
  }
}

/** Looks at how much room there is where data is kept. */
export async function checkDisk({ config, directory }: LoadedConfig): Promise<Finding[]> {
  const data = resolve(directory, config.app.data_directory);
  const { bavail, bsize, ffree, files } = await statfs(await findExisting(data));
  const free = bavail * bsize;
  const shown = `${(free / 1024 ** 3).toFixed(1)} GiB are free where ${relative(directory, data) || "."} is`;
  const advice = "delete old backups and logs, or give the disk more room";
  if (free < FULL_BYTES) return [problem("disk", shown, `${advice}: writes fail when it is full`)];
  if (files > 0 && ffree < 1000) return [problem("disk", `${ffree} more files fit where data is`, advice)];
  return [free < SCARCE_BYTES ? warning("disk", shown, advice) : ok("disk", shown)];
}

/** The folder, or the nearest above it that is there. */
async function findExisting(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => null);
  return found !== null || dirname(folder) === folder ? folder : findExisting(dirname(folder));
}
