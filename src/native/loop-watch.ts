// What the thread reads, by its place in the memory that both share.
export const BEAT = 0;
export const STUCK = 1;
export const END = 2;
export const CONSOLE = 3;
export const IS_OVER = 4;
export const IS_TOLD = 5;
export const SHUTDOWN = 6;
export const WORKER = 7;
export const LOG_FILE = 32;
export const PLUGIN = 1056;
export const METHOD = 1184;
export const PATH = 1216;
export const SIZE = 2048;

/** Of signals: npx passes a Ctrl+C on that the terminal has sent already. */
export const ECHO_MS = 500;

const APPEND = process.platform === "darwin" ? 0x9 : 0x401; // O_WRONLY | O_APPEND

/**
 * The thread that watches the event loop, in C. A worker would cost twice as much memory, and nothing that runs on the loop
 * helps when that is held. It shares one block of memory with the loop, and calls nothing but the system.
 */
export const LOOP_WATCH = `
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
static volatile int asked, hurried, last_signal;
static volatile i64 asked_at;

/** A held loop hears of no signal: the thread sees to it that the process ends all the same. */
static void on_signal(int number) {
  if (!asked) asked_at = now();
  else if (now() - asked_at > ${ECHO_MS}) hurried = 1;
  asked = 1;
  last_signal = number;
  before[number](number);
}

static void hear(int number) {
  void (*old)(int) = signal(number, on_signal);
  if (old == on_signal) return; // another thread has asked before
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
    "{\\"level\\":\\"error\\",\\"time\\":\\"%04d-%02d-%02dT%02d:%02d:%02d.000Z\\",\\"plugin\\":%s,\\"route\\":\\"%s%s%s\\"%s,\\"msg\\":\\"the event loop has been held for %d s, and nothing is answered: %s\\"}\\n";
  char line[2048], name[128], plugin[160], method[32], path[600], worker[32] = {0};
  int parts[32];
  long now = time(0);
  volatile int *numbers = (volatile int *)memory;
  copy(name, (const char *)memory + ${PLUGIN}, sizeof name);
  copy(method, (const char *)memory + ${METHOD}, sizeof method);
  copy(path, (const char *)memory + ${PATH}, sizeof path);
  gmtime_r(&now, parts);
  if (*name) snprintf(plugin, sizeof plugin, "\\"%s\\"", name);
  else snprintf(plugin, sizeof plugin, "null");
  if (numbers[${WORKER}]) snprintf(worker, sizeof worker, ",\\"worker\\":%d", numbers[${WORKER}]);
  int length = snprintf(line, sizeof line, form,
    parts[5] + 1900, parts[4] + 1, parts[3], parts[2], parts[1], parts[0],
    plugin, method, *method ? " " : "", path, worker, seconds, message);
  int file = open((const char *)memory + ${LOG_FILE}, ${APPEND}, 0);
  if (file >= 0) { write(file, line, length); close(file); }
  if (numbers[${CONSOLE}]) write(1, line, length);
}

static void *run(void *argument) {
  volatile char *memory = argument;
  volatile int *numbers = argument;
  int last = numbers[${BEAT}], quarters = 0, stopping = 0;
  while (!numbers[${IS_OVER}]) {
    usleep(250000);
    if (asked) stopping++;
    if (quarters > 4 && hurried) _exit(128 + last_signal);
    if (quarters > 4 && asked && stopping > numbers[${SHUTDOWN}] * 4) {
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

int start_watch(void *memory) {
  size_t thread;
  int failure = pthread_create(&thread, 0, run, memory);
  if (failure) return failure;
  pthread_detach(thread);
  hear(2);
  hear(15);
  return 0;
}
`;
