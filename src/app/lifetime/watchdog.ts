import type { Logger } from "pino";
import {
  BEAT,
  CONSOLE,
  END,
  IS_OVER,
  IS_TOLD,
  LOG_FILE,
  METHOD,
  PATH,
  PLUGIN,
  SHUTDOWN,
  SIZE,
  STUCK,
  WORKER,
} from "../../native/loop-watch.ts";

export interface WatchdogOptions {
  readonly log: Logger;
  /** Absolute path of the log file that its thread adds its lines to. */
  readonly logFile: string;
  /** Number of the process among those that answer together; null for the only one. */
  readonly worker: number | null;
  /** Whether its thread writes to standard output too. */
  readonly console: boolean;
  /** After how many seconds the process ends; null never. */
  readonly timeout: number | null;
  /** How many seconds stopping may take, by now. */
  readonly shutdownTimeout: () => number;
}

/** What a request says of itself. */
interface Traced {
  readonly method: string;
  readonly path: string;
  readonly mount: { readonly plugin: string | null };
}

const BEAT_MS = 500;
const STUCK_S = 5;
const KEPT_MS = 2000; // after its thread has been told to end
const MAX_PATH = 512;

/**
 * Tells, from outside of the event loop, when code holds the loop for 5 s: with the plugin and the route that ran last.
 * The process may be ended then, for its supervisor to start it again; by SIGTERM and SIGINT it can be all the same.
 */
export class Watchdog {
  readonly #memory = new Uint8Array(SIZE);
  readonly #numbers = new Int32Array(this.#memory.buffer);
  readonly #log: Logger;
  readonly #shutdownTimeout: () => number;
  #timer: NodeJS.Timeout | null = null;
  #beatAt = performance.now();
  #last: Traced["mount"] | null = null;
  #plugin: string | null = null;
  #method = "";
  #path = "";
  readonly #encoder = new TextEncoder();
  readonly #pluginBytes = this.#memory.subarray(PLUGIN, METHOD - 1);
  readonly #methodBytes = this.#memory.subarray(METHOD, PATH - 1);
  readonly #pathBytes = this.#memory.subarray(PATH, PATH + MAX_PATH);

  constructor({ log, logFile, worker, console, timeout, shutdownTimeout }: WatchdogOptions) {
    this.#log = log;
    this.#shutdownTimeout = shutdownTimeout;
    this.#numbers[SHUTDOWN] = Math.ceil(shutdownTimeout());
    this.#numbers[STUCK] = STUCK_S;
    this.#numbers[END] = timeout === null ? 0 : Math.max(1, Math.round(timeout));
    this.#numbers[WORKER] = worker ?? 0;
    this.#numbers[CONSOLE] = console ? 1 : 0;
    this.#write(logFile, this.#memory.subarray(LOG_FILE, PLUGIN - 1));
  }

  /** Starts its thread. Where that can't be had, the log says so, and nothing is watched. */
  async start(): Promise<void> {
    if (process.platform === "win32") return;
    try {
      const { loadNative } = await import("../../native/native.ts");
      const { functions, addressOf } = await loadNative();
      const failure = functions.start_watch(addressOf(this.#memory));
      if (failure !== 0) throw new Error(`pthread_create answers ${failure}`);
    } catch (error) {
      this.#log.warn({ err: error }, "what holds the event loop can't be told: no thread watches it");
      return;
    }
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
    this.#timer.unref();
  }

  /** Ends its thread. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#numbers[IS_OVER] = 1;
    const memory = this.#memory;
    setTimeout(() => void memory.length, KEPT_MS).unref();
  }

  /** Notes which request is handled now. */
  readonly note = ({ method, path, mount }: Traced): void => {
    if (mount !== this.#last) {
      this.#plugin = mount.plugin;
      this.#write(mount.plugin ?? "", this.#pluginBytes);
    }
    if (method !== this.#method) this.#write(method, this.#methodBytes);
    this.#last = mount;
    this.#method = method;
    if (path === this.#path) return;
    this.#path = path;
    this.#write(path, this.#pathBytes);
  };

  /** Notes what code of a plugin runs now, beside requests. */
  readonly noteRun = (plugin: string, what: string): void => {
    if (plugin !== this.#plugin) this.#write(plugin, this.#pluginBytes);
    if (this.#method !== "") this.#write("", this.#methodBytes);
    if (what !== this.#path) this.#write(what, this.#pathBytes);
    this.#last = null;
    this.#plugin = plugin;
    this.#method = "";
    this.#path = what;
  };

  #beat(): void {
    const now = performance.now();
    const heldMs = now - this.#beatAt - BEAT_MS;
    this.#beatAt = now;
    this.#numbers[BEAT] = ((this.#numbers[BEAT] ?? 0) + 1) % 1_000_000;
    this.#numbers[SHUTDOWN] = Math.ceil(this.#shutdownTimeout());
    // A process that was stopped as a whole held nothing: its thread hasn't seen it either.
    if (this.#numbers[IS_TOLD] !== 1) return;
    this.#numbers[IS_TOLD] = 0;
    const fields = { plugin: this.#plugin, path: this.#path };
    this.#log.error(fields, `the event loop was held for ${Math.round(heldMs / 100) / 10} s, and goes on`);
  }

  /** Writes text with its end, for which there is room behind `bytes`. */
  #write(text: string, bytes: Uint8Array): void {
    this.#memory[bytes.byteOffset + this.#encoder.encodeInto(text, bytes).written] = 0;
  }
}
