import { overlay } from "./overlay.ts";
import { createProcess } from "./process.ts";
import type { Scope } from "./scope.ts";
import { Timers } from "./timers.ts";

type Names = Record<PropertyKey, unknown>;

export interface GlobalsOptions {
  readonly scope: Scope;
  readonly console: Console;
  /** Gets what the callback of a timer throws. */
  readonly onError: (error: unknown) => void;
}

/**
 * The names that a plugin finds without importing them, where the host's own would let something outlive its generation
 * or change what others see: timers, the listeners and the environment of `process`, `console`.
 */
export class Globals {
  readonly timers: Timers;
  /** By name, for the bundle's code. */
  readonly names: Readonly<Names>;
  readonly #builtins: ReadonlyMap<string, unknown>;

  constructor({ scope, console, onError }: GlobalsOptions) {
    this.timers = new Timers(onError);
    const { globals, modules, bun } = this.timers;
    const process = createProcess(scope, (name) => this.findBuiltin(name));
    const own: Names = { ...globals, console, process };
    // Not a proxy: some of Bun's properties are fixed.
    own["Bun"] = Object.create(Bun, {
      ...Object.getOwnPropertyDescriptors(bun),
      env: { get: () => process.env, enumerable: true },
    });
    for (const name of ["globalThis", "global", "self"]) own[name] = null;
    const view = overlay(globalThis, own);
    this.names = Object.assign(own, { globalThis: view, global: view, self: view });
    this.#builtins = new Map<string, unknown>([
      ...Object.entries(modules),
      ["console", console],
      ["process", process],
      ["bun", own["Bun"]],
    ]);
  }

  /** Returns a module of Node.js or Bun as this plugin gets it, undefined for those that are the host's own. */
  findBuiltin(specifier: string): unknown {
    return this.#builtins.get(specifier.replace(/^node:/, ""));
  }
}
