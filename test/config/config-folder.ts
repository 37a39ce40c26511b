import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadConfig, type LoadConfigOptions, type LoadedConfig } from "../../src/config/load.ts";
import { ConfigError, type ConfigProblem } from "../../src/config/problems.ts";
import type { Config } from "../../src/config/schema.ts";
import { makeScratchFolder } from "../scratch.ts";

/** A temporary folder with the given files, removed at the end of the test by `using`. */
export class ConfigFolder implements Disposable {
  readonly path = makeScratchFolder("config");

  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    for (const [name, content] of Object.entries(files)) this.write(name, content);
  }

  write(name: string, content: string | Uint8Array): void {
    const file = join(this.path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }

  load(options: Partial<LoadConfigOptions> = {}): LoadedConfig {
    return loadConfig({ cwd: this.path, env: {}, ...options });
  }

  /** The error that loading this folder ends with; fails when it does not, or with another one. */
  fail(options: Partial<LoadConfigOptions> = {}): ConfigError {
    try {
      this.load(options);
    } catch (error) {
      if (error instanceof ConfigError) return error;
      throw error;
    }
    throw new Error("Cannot fail: the configuration was loaded");
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** The configuration of a folder without a file. */
export function defaultConfig(): Config {
  using folder = new ConfigFolder();
  return folder.load().config;
}

/** Loads one `config.json` of the given content and gives the problems, of which there must be some. */
export function problemsOf(
  content: string | object,
  options: Partial<LoadConfigOptions> = {},
): readonly ConfigProblem[] {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  using folder = new ConfigFolder({ "config.json": text });
  return folder.fail(options).problems;
}

/** Loads one `config.json` of the given content, which must be fine. */
export function load(content: string | object, options: Partial<LoadConfigOptions> = {}): LoadedConfig {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  using folder = new ConfigFolder({ "config.json": text });
  return folder.load(options);
}
