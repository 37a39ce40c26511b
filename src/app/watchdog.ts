import type { Logger } from "pino";

export interface WatchdogOptions {
  readonly log: Logger;
  /** Absolute path of the log file that its thread adds its lines to. */
  readonly logFile: string;
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
// What the thread reads, by its place in the memory that both share.
const BEAT = 0;
const STUCK = 1;
const END = 2;
const CONSOLE = 3;
const IS_OVER = 4;
const IS_TOLD = 5;
const SHUTDOWN = 6;
const LOG_FILE = 32;
const PLUGIN = 1056;
const METHOD = 1184;
const PATH = 1216;
const SIZE = 2048;
const MAX_PATH = 512;

/**
 * The thread. A worker would cost twice as much memory, and nothing that runs on the event loop helps when that is held.
 * It shares one block of memory with the loop, and calls nothing but the system.
 */
const THREAD = `
typedef unsigned long size_t;
extern int pthread_create(size_t *thread, void *attributes, void *(*run)(void *), void *argument);
extern int pthread_detach(size_t thread);
extern int usleep(unsigned int microseconds);
extern int open(const char *path, int flags, int mode);
extern int close(int file);
extern long write(int file, const void *bytes, size_t count);
extern long time(long *now);
extern void *gmtime_r(const long *now, int *parts);
extern int snprintf(char *text, size_t size, const char *format, ...);
extern void _exit(int code);
extern void (*signal(int number, void (*handler)(int)))(int);

static void (*before[32])(int);
static volatile int asked, last_signal;

/** A held loop hears of no signal: the thread sees to it that the process ends all the same. */
static void on_signal(int number) {
  asked++;
  last_signal = number;
  before[number](number);
}

static void hear(int number) {
  void (*old)(int) = signal(number, on_signal);
  before[number] = old;
  if ((unsigned long)old < 2 || old == (void (*)(int))-1) signal(number, old); // nobody listens
}

static void copy(char *to, const char *from, int size) {
  int length = 0;
  for (; from[length] && length < size - 1; length++) {
    char byte = from[length];
    to[length] = byte < 32 || byte > 126 || byte == '"' || byte == 92 ? '?' : byte;
  }
  to[length] = 0;
}

static void say(volatile char *memory, const char *message, int seconds) {
  const char *form =
    "{\\"level\\":\\"error\\",\\"time\\":\\"%04d-%02d-%02dT%02d:%02d:%02d.000Z\\",\\"plugin\\":%s,\\"route\\":\\"%s%s%s\\",\\"msg\\":\\"the event loop has been held for %d s, and nothing is answered: %s\\"}\\n";
  char line[2048], name[128], plugin[160], method[32], path[600];
  int parts[32];
  long now = time(0);
  volatile int *numbers = (volatile int *)memory;
  copy(name, (const char *)memory + ${PLUGIN}, sizeof name);
  copy(method, (const char *)memory + ${METHOD}, sizeof method);
  copy(path, (const char *)memory + ${PATH}, sizeof path);
  gmtime_r(&now, parts);
  if (*name) snprintf(plugin, sizeof plugin, "\\"%s\\"", name);
  else snprintf(plugin, sizeof plugin, "null");
  int length = snprintf(line, sizeof line, form,
    parts[5] + 1900, parts[4] + 1, parts[3], parts[2], parts[1], parts[0],
    plugin, method, *method ? " " : "", path, seconds, message);
  int file = open((const char *)memory + ${LOG_FILE}, APPEND, 0);
  if (file >= 0) { write(file, line, length); close(file); }
  if (numbers[${CONSOLE}]) write(1, line, length);
}

static void *run(void *argument) {
  volatile char *memory = argument;
  volatile int *numbers = argument;
  int last = numbers[${BEAT}], quarters = 0, stopping = 0, heard = 0, hurried = 0;
  while (!numbers[${IS_OVER}]) {
    usleep(250000);
    if (asked != heard && stopping > 2) hurried = 1;
    heard = asked;
    if (heard) stopping++;
    if (quarters > 4 && hurried) _exit(128 + last_signal);
    if (quarters > 4 && heard && stopping > numbers[${SHUTDOWN}] * 4) {
      say(memory, "stopping took longer than server.shutdown_timeout, and is cut off", quarters / 4);
      _exit(1);
    }
    if (numbers[${BEAT}] != last) { last = numbers[${BEAT}]; quarters = 0; continue; }
    quarters++;
    if (!numbers[${IS_TOLD}] && quarters >= numbers[${STUCK}] * 4) {
      numbers[${IS_TOLD}] = 1;
      say(memory, "this plugin and route ran last", quarters / 4);
    }
    if (numbers[${END}] > 0 && quarters >= numbers[${END}] * 4) {
      say(memory, "the process ends, as server.watchdog_timeout says", quarters / 4);
      _exit(70);
    }
  }
  return 0;
}

int start(void *memory) {
  size_t thread;
  int failure = pthread_create(&thread, 0, run, memory);
  if (failure) return failure;
  pthread_detach(thread);
  hear(2);
  hear(15);
  return 0;
}
`;
const APPEND_FLAGS: Partial<Record<NodeJS.Platform, number>> = { linux: 0x401, darwin: 0x9 }; // O_WRONLY | O_APPEND

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

  constructor({ log, logFile, console, timeout, shutdownTimeout }: WatchdogOptions) {
    this.#log = log;
    this.#shutdownTimeout = shutdownTimeout;
    this.#numbers[SHUTDOWN] = Math.ceil(shutdownTimeout());
    this.#numbers[STUCK] = STUCK_S;
    this.#numbers[END] = timeout === null ? 0 : Math.max(1, Math.round(timeout));
    this.#numbers[CONSOLE] = console ? 1 : 0;
    this.#write(logFile, this.#memory.subarray(LOG_FILE, PLUGIN - 1));
  }

  /** Starts its thread. Where that can't be had, the log says so, and nothing is watched. */
  async start(): Promise<void> {
    const flags = APPEND_FLAGS[process.platform];
    if (flags === undefined) return;
    try {
      const { compileC } = await import("../native/compile.ts");
      const { functions, addressOf } = await compileC(THREAD.replace("APPEND", String(flags)), {
        start: { args: ["ptr"], returns: "int" },
      });
      const failure = functions.start(addressOf(this.#memory));
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
