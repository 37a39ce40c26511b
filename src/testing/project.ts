import { existsSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { parseLocation } from "../plugins/remote/fetch/location.ts";
import type { StartQuestion } from "../sdk/testing.ts";
import { linkPlugins } from "./plugin-links.ts";

/** A project made for a test. */
export interface TestProject {
  readonly loaded: LoadedConfig;
  /** Returns a text that names files of the plugins with their paths in the project of the test. */
  readonly toShown: (text: string) => string;
}

type Section = Readonly<Record<string, unknown>>;

const FAST_HASHES = 4; // the least that bcrypt can do
/** More than a test asks for. Limits of routes are those that the plugin sets. */
const UNLIMITED = { anonymous_per_minute: 1_000_000, authenticated_per_minute: 1_000_000 };

/**
 * Makes a project with links to the plugins. Nothing of the environment or of the project that the test belongs
 * to is configured here, so that no test can reach a real database; only what is kept of plugins from elsewhere
 * is shared with that project.
 *
 * @param cwd folder that the test runs in
 * @throws AppError for plugins that aren't there, and for a configuration that can't be used
 */
export async function createTestProject(question: StartQuestion, cwd: string): Promise<TestProject> {
  const { folder, plugins, settings = {}, config = {}, database } = question;
  const directory = join(folder, "plugins");
  await mkdir(directory);
  const links = await linkPlugins(plugins, { directory, cwd });
  const around = loadProjectAround(cwd);
  if (around !== null) await shareCache(around, folder);
  const server = toSection(config["server"]);
  const written = {
    ...config,
    // It is gone after the test: nobody has to wait for the disk.
    database: { durability: "normal", ...toSection(config["database"]) },
    server: { ...server, rate_limit: { ...UNLIMITED, ...toSection(server["rate_limit"]) } },
    security: { bcrypt_cost: FAST_HASHES, ...toSection(config["security"]) },
    logging: { level: "debug", ...toSection(config["logging"]) },
    plugins: { watch: false, ...pinnedIn(around, links.missing), ...toSection(config["plugins"]), settings },
  };
  await writeFile(join(folder, "config.json"), JSON.stringify(written, null, 2));
  const flags = {
    app: { data_directory: "data" },
    security: { jwt_secret_key: crypto.randomUUID() + crypto.randomUUID() },
    plugins: { directory: "plugins" },
    logging: { console: true, directory: "logs" },
    ...(database === undefined ? {} : { database: { url: database } }),
  };
  const loaded = loadConfig({ cwd: folder, env: {}, flags });
  return { loaded, toShown: createShown(links.shown) };
}

function toSection(value: unknown): Section {
  return typeof value === "object" && value !== null ? (value as Section) : {};
}

/** The configuration of the project that the test belongs to, as far as it can be used. */
function loadProjectAround(cwd: string): LoadedConfig | null {
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "config.json"))) {
      try {
        return loadConfig({ cwd: folder, env: process.env });
      } catch {
        return null; // what it says is needed to start the server, not to test a plugin
      }
    }
    if (folder === dirname(folder)) return null;
  }
}

/** Lets the host find npm packages and plugins from elsewhere that have been fetched for the project before. */
async function shareCache({ config, directory }: LoadedConfig, folder: string): Promise<void> {
  const cache = join(resolve(directory, config.app.data_directory), "plugins");
  await mkdir(cache, { recursive: true });
  await mkdir(join(folder, "data"));
  await symlink(cache, join(folder, "data", "plugins"), "junction");
  for (const [name, type] of [
    ["vendor", "junction"],
    [".npmrc", "file"],
    ["bunfig.toml", "file"],
  ] as const) {
    const path = join(directory, name);
    // oxlint-disable-next-line no-await-in-loop -- three at most
    if (existsSync(path)) await symlink(path, join(folder, name), type);
  }
}

/** What the project says of the plugins from elsewhere that are depended on. */
function pinnedIn(around: LoadedConfig | null, names: readonly string[]): Section {
  if (around === null) return {};
  const { remote, offline, trusted_keys, fetch } = around.config.plugins;
  const toAbsolute = (place: string): string => {
    const location = parseLocation(place, around.directory);
    return location.kind === "path" ? location.path : place;
  };
  const pinned = names.flatMap((name) => {
    const entry = Object.hasOwn(remote, name) ? remote[name] : undefined;
    if (entry === undefined) return [];
    const { url, urls, ...rest } = entry;
    const places = [...(url === undefined ? [] : [url]), ...(urls ?? [])];
    return [[name, { ...rest, urls: places.map(toAbsolute) }]];
  });
  return { remote: Object.fromEntries(pinned), offline, trusted_keys, fetch };
}

/** The server names files as they stand in its own plugins directory. */
function createShown(shown: ReadonlyMap<string, string>): (text: string) => string {
  const paths = [...shown].filter(([name, path]) => path !== `plugins/${name}`);
  return (text) =>
    paths.reduce((known, [name, path]) => {
      const linked = new RegExp(String.raw`(?<![\w/.-])plugins/${RegExp.escape(name)}(?![\w-])`, "g");
      return known.replace(linked, () => path);
    }, text);
}
