import { overlay } from "./overlay.ts";
import type { Scope, Undo } from "./scope.ts";

type Listener = (this: unknown, ...args: unknown[]) => unknown;
type Event = string | symbol;

interface Listening {
  readonly event: Event;
  readonly listener: Listener;
  readonly undo: Undo;
}

/** Methods that work on nothing but the host's own. */
const EMITTER = [
  "emit",
  "eventNames",
  "getMaxListeners",
  "listenerCount",
  "listeners",
  "rawListeners",
  "setMaxListeners",
] as const;

/**
 * Makes the `process` of one generation of a plugin. Its listeners are in effect for as long as the generation serves,
 * and it can't remove those of others. What it writes to `process.env` it alone sees: `TZ`, or
 * `NODE_TLS_REJECT_UNAUTHORIZED`, would change the whole server.
 *
 * @param findBuiltin returns a module of Node.js as the plugin gets it, undefined for the host's own
 */
export function createProcess(scope: Scope, findBuiltin: (name: string) => unknown): NodeJS.Process {
  let env: NodeJS.ProcessEnv | null = null;
  const own: Record<string, unknown> = {
    ...Object.fromEntries(EMITTER.map((name) => [name, process[name].bind(process)])),
    ...createListening(scope, () => view),
    getBuiltinModule: (name: string): unknown => findBuiltin(name) ?? process.getBuiltinModule(name),
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
      const listening: Listening = { event, listener, undo };
      all.push(listening);
      return view();
    };
  const off = (event: Event, listener: Listener): NodeJS.Process =>
    remove(all.filter((one) => one.event === event && one.listener === listener).slice(-1));
  return {
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
