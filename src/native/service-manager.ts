import { compileC } from "./compile.ts";

/** The system has datagrams for it, which nothing of Bun or Node sends. */
const CODE = `
typedef unsigned int u32;
extern int socket(int family, int type, int protocol);
extern long sendto(int file, const void *bytes, unsigned long count, int flags, const void *address, u32 size);
extern int close(int file);

enum { UNIX = 1, DATAGRAM = 2, CLOSE_ON_EXEC = 02000000, NO_SIGNAL = 0x4000 };

int tell(const void *address, int size, const void *text, int length) {
  int file = socket(UNIX, DATAGRAM | CLOSE_ON_EXEC, 0);
  if (file < 0) return 0;
  long sent = sendto(file, text, length, NO_SIGNAL, address, size);
  close(file);
  return sent == length;
}
`;

const UNIX = 1;
const MAX_PATH = 108; // bytes of sockaddr_un

/** Tells the service manager that has started this process how it is; a server of nobody has none. */
export interface ServiceManager {
  /** What a process that takes over from this one is started with. */
  readonly environment: Readonly<Record<string, string>>;
  /** Sends lines such as "READY=1"; returns whether they were taken. */
  tell(...lines: string[]): boolean;
  /** Says from the event loop, as often as is asked for, that it goes on. */
  beat(): void;
  stop(): void;
}

/**
 * Finds who has started this process by the protocol of systemd, and takes that out of `env`: what this process starts
 * itself must not speak for it. Returns null where there is nobody.
 *
 * @see https://man7.org/linux/man-pages/man3/sd_notify.3.html
 */
export async function findServiceManager(
  env: Record<string, string | undefined>,
): Promise<ServiceManager | null> {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: period } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) Reflect.deleteProperty(env, name);
  const address = process.platform === "linux" && socket !== undefined ? toAddress(socket) : null;
  if (socket === undefined || address === null) return null;
  const { functions, addressOf } = await compileC(CODE, {
    tell: { args: ["ptr", "int", "ptr", "int"], returns: "int" },
  });
  const tell = (...lines: string[]): boolean => {
    const text = new TextEncoder().encode(lines.map((line) => line.replaceAll("\n", " ")).join("\n"));
    return functions.tell(addressOf(address), address.length, addressOf(text), text.length) === 1;
  };
  let timer: Timer | null = null;
  return {
    environment: { NOTIFY_SOCKET: socket, ...(period !== undefined && { WATCHDOG_USEC: period }) },
    tell,
    beat() {
      const ms = Number(period) / 1000;
      if (timer !== null || !(ms > 0)) return;
      tell("WATCHDOG=1");
      timer = setInterval(() => tell("WATCHDOG=1"), ms / 3); // one may be late, or lost
      timer.unref();
    },
    stop() {
      if (timer !== null) clearInterval(timer);
    },
  };
}

/** sockaddr_un of a path, or of an abstract name, which begins with "@"; null for what is neither. */
function toAddress(socket: string): Uint8Array | null {
  if (!/^[@/]./.test(socket)) return null;
  const name = new TextEncoder().encode(socket);
  if (name.length >= MAX_PATH) return null;
  if (socket.startsWith("@")) name[0] = 0;
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, UNIX, true);
  address.set(name, 2);
  return address;
}
