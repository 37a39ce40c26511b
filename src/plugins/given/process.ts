import { createEnding, type OnEnding } from "./ending.ts";
import { createOutput } from "./output.ts";
import { overlay } from "./overlay.ts";
import type { Scope, Undo } from "./scope.ts";

type Listener = (this: unknown, ...args: unknown[]) => unknown;
type Event = string | symbol;

interface Listening {
  readonly event: Event;
  readonly listener: Listener;
  /** What calls it. */
  readonly called: Listener;
  readonly undo: Undo;
}

/** Methods that work on nothing but the host's own. */
const EMITTER = [
  "eventNames",
  "getMaxListeners",
  "listenerCount",
  "listeners",
  "rawListeners",
  "setMaxListeners",
] as const;

export interface ProcessOptions {
  readonly scope: Scope;
  /** Returns a module of Node.js as the plugin gets it, undefined for the host's own. */
  readonly findBuiltin: (name: string) => unknown;
  /** Null: the plugin may end the process. @default nobody is told, and it may not */
  readonly onEnding?: OnEnding | null;
}

/**
 * Makes the `process` of one generation of a plugin. Its listeners are in effect for as long as the generation serves,
 * it can't remove those of others, and what it emits they don't hear: a signal would stop the server, which it can't end
 * in another way either. What it writes to `process.env` it alone sees: `TZ`, or `NODE_TLS_REJECT_UNAUTHORIZED`, would
 * change the whole server.
 */
export function createProcess({ scope, findBuiltin, onEnding = () => {} }: ProcessOptions): NodeJS.Process {
  let env: NodeJS.ProcessEnv | null = null;
  let stdout: NodeJS.WriteStream | null = null;
  let stderr: NodeJS.WriteStream | null = null;
  const mayEnd = onEnding === null;
  const own: Record<string, unknown> = {
    ...Object.fromEntries(EMITTER.map((name) => [name, process[name].bind(process)])),
    ...createListening(scope, () => view),
    ...createEnding(onEnding),
    getBuiltinModule: (name: string): unknown => findBuiltin(name) ?? process.getBuiltinModule(name),
    // The server's log goes there as well: ended, or piped into, it would be without it.
    get stdout() {
      return mayEnd ? process.stdout : (stdout ??= createOutput("stdout"));
    },
    get stderr() {
      return mayEnd ? process.stderr : (stderr ??= createOutput("stderr"));
    },
    get env() {
      return (env ??= copyEnvironment());
    },
  };
  const view = overlay(process, own);
  return view;
}

/** Makes the methods by which listeners come and go. */
function createListening(scope: Scope, view: () => NodeJS.Process): Record<string, unknown> {
  let all: Listening[] = [];
  const remove = (removed: readonly Listening[]): NodeJS.Process => {
    all = all.filter((one) => !removed.includes(one));
    for (const { undo } of removed) undo();
    return view();
  };
  const toAdd =
    (method: "on" | "prependListener", isOnce: boolean) =>
    (event: Event, listener: Listener): NodeJS.Process => {
      if (typeof listener !== "function") return process.on(event, listener); // which says what is wrong
      const called: Listener = (...args) => {
        if (isOnce) remove([listening]);
        return listener.apply(view(), args);
      };
      const undo = scope.register(() => {
        process[method](event as string, called);
        return () => void process.off(event, called);
      });
      const listening: Listening = { event, listener, called, undo };
      if (method === "on") all.push(listening);
      else all.unshift(listening);
      return view();
    };
  const off = (event: Event, listener: Listener): NodeJS.Process =>
    remove(all.filter((one) => one.event === event && one.listener === listener).slice(-1));
  const emit = (event: Event, ...args: unknown[]): boolean => {
    const heard = all.filter((one) => one.event === event);
    for (const { called } of heard) called(...args);
    return heard.length > 0;
  };
  return {
    emit,
    on: toAdd("on", false),
    addListener: toAdd("on", false),
    once: toAdd("on", true),
    prependListener: toAdd("prependListener", false),
    prependOnceListener: toAdd("prependListener", true),
    off,
    removeListener: off,
    removeAllListeners: (event?: Event) =>
      remove(all.filter((one) => event === undefined || one.event === event)),
  };
}

function copyEnvironment(): NodeJS.ProcessEnv {
  return new Proxy(
    { ...process.env },
    {
      set: (env, name, value) => Reflect.set(env, name, String(value)),
    },
  );
}
