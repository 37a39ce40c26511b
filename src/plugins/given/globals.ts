import type { Tracing } from "../../metrics/tracing.ts";
import { createRefusals, type OnEnding } from "./ending.ts";
import { overlay } from "./overlay.ts";
import { createProcess } from "./process.ts";
import type { Scope, Undo } from "./scope.ts";
import { Timers } from "./timers.ts";

type Names = Record<PropertyKey, unknown>;

export interface GlobalsOptions {
  readonly scope: Scope;
  readonly console: Console;
  /** Gets what the callback of a timer throws. */
  readonly onError: (error: unknown) => void;
  /** Told of each timer before its callback is called. @default nobody is */
  readonly onTimer?: () => void;
  /** Null: the plugin may end the process. @default nobody is told, and it may not */
  readonly onEnding?: OnEnding | null | undefined;
  /** Has requests to other servers say which trace they belong to. @default null: they say nothing */
  readonly tracing?: Pick<Tracing, "traceparent"> | null;
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

  constructor({ scope, console, onError, onTimer, onEnding, tracing = null }: GlobalsOptions) {
    this.timers = new Timers(onError, onTimer);
    const { globals, modules, bun } = this.timers;
    const findBuiltin = (name: string): unknown => this.findBuiltin(name);
    const process = createProcess({ scope, findBuiltin, ...(onEnding !== undefined && { onEnding }) });
    const own: Names = { ...globals, ...createEventListening(scope), console, process };
    if (tracing !== null) own["fetch"] = createTracedFetch(tracing);
    // Not a proxy: some of Bun's properties are fixed.
    let shell: object | null = null;
    own["Bun"] = Object.create(Bun, {
      ...Object.getOwnPropertyDescriptors(bun),
      $: { get: () => (shell ??= createShell()), enumerable: true },
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
      ["module", createModuleLoader(findBuiltin)],
    ]);
  }

  /** Returns a module of Node.js or Bun as this plugin gets it, undefined for those that are the host's own. */
  findBuiltin(specifier: string): unknown {
    return this.#builtins.get(specifier.replace(/^node:/, ""));
  }
}

/** `fetch`, with the header `traceparent` (W3C Trace Context) on what doesn't have one. */
function createTracedFetch(tracing: Pick<Tracing, "traceparent">): typeof fetch {
  const traced = (input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> => {
    const value = tracing.traceparent();
    if (value === null) return fetch(input, init);
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    if (!headers.has("traceparent")) headers.set("traceparent", value);
    return fetch(input, { ...init, headers });
  };
  return Object.assign(traced, fetch);
}

/** The folder and the variables that `$.cwd()` and `$.env()` set are those of one shell. */
function createShell(): object {
  const { Shell, ShellPromise, ShellError, braces, escape } = Bun.$;
  return Object.assign(new Shell(), { Shell, ShellPromise, ShellError, braces, escape });
}

/** Packages that are written as ES modules get their `require` from here: what it finds is the plugin's own too. */
function createModuleLoader(findBuiltin: (name: string) => unknown): object {
  const nodeModule = process.getBuiltinModule("node:module");
  const createRequire = (from: string | URL): object => {
    const native = nodeModule.createRequire(from);
    return Object.assign((name: string): unknown => findBuiltin(name) ?? native(name), native);
  };
  return Object.create(nodeModule, { createRequire: { value: createRequire, enumerable: true } }) as object;
}

type EventListening = Parameters<typeof globalThis.addEventListener>;

/** Listeners of `globalThis`, in effect for as long as the generation serves. */
function createEventListening(scope: Scope): Names {
  let all: { readonly type: string; readonly listener: unknown; readonly undo: Undo }[] = [];
  return {
    addEventListener(...args: EventListening) {
      const [type, listener] = args;
      const undo = scope.register(() => {
        globalThis.addEventListener(...args);
        return () => globalThis.removeEventListener(...args);
      });
      all.push({ type, listener, undo });
    },
    removeEventListener(...[type, listener]: EventListening) {
      const removed = all.filter((one) => one.type === type && one.listener === listener);
      all = all.filter((one) => !removed.includes(one));
      for (const { undo } of removed) undo();
    },
  };
}

/**
 * Keeps code that gets hold of the process itself, past a plugin's own names, from ending it.
 *
 * @returns its undo, for whoever ends it
 */
export function guardProcess(onEnding: OnEnding): () => void {
  const own = createRefusals(onEnding);
  // Not those of all its properties: Bun makes some when they are first looked at, standard input among them.
  const before = Object.keys(own).map(
    (name) => [name, Object.getOwnPropertyDescriptor(process, name)] as const,
  );
  Object.assign(process, own);
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(process, name);
      else Object.defineProperty(process, name, descriptor);
    }
  };
}
