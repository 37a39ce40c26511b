import { compileC } from "./compile.ts";

const LEAVE_MS = 300; // in which the connections come to their requests that were under way
const ACCEPT_MS = 50; // in which those are accepted whose clients have begun to connect
const NOBODY = -1;

/**
 * Sockets that listen on one port share its connections out by a hash of the client. Closing one resets those that it
 * hasn't accepted yet, so new ones must go elsewhere before. A program that names a socket does that for those that ask
 * from now on; where the number turns out to be of none, the hash goes on. What still asks this one is dropped, as if
 * lost on its way: the client asks again a second later, and meets the others.
 *
 * @see https://man7.org/linux/man-pages/man7/socket.7.html SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF
 */
const CODE = `
typedef unsigned int u32;
extern int getsockopt(int socket, int level, int name, void *value, u32 *size);
extern int setsockopt(int socket, int level, int name, const void *value, u32 size);
extern int getsockname(int socket, void *address, u32 *size);
extern int socket(int family, int type, int protocol);
extern int dup3(int file, int as, int flags);
extern int close(int file);

enum { UNIX = 1, STREAM = 1, CLOSE_ON_EXEC = 02000000 };
enum { SO_REUSEPORT = 15, SO_DETACH_REUSEPORT_BPF = 68 };
enum { SOL_SOCKET = 1, SO_ATTACH_FILTER = 26, SO_ACCEPTCONN = 30, SO_ATTACH_REUSEPORT_CBPF = 51 };
enum { LOAD_BYTE = 0x30, JUMP_IF_BITS = 0x45, RETURN = 0x06, FLAGS = 13, SYN = 2, IPV4 = 2, IPV6 = 10, FILES = 4096 };

struct step { unsigned short code; unsigned char if_so, if_not; u32 value; };
struct program { unsigned short length; struct step *steps; };
static struct step choosing[] = {{RETURN, 0, 0, 0}};
static struct step dropping[] = {
  {LOAD_BYTE, 0, 0, FLAGS}, {JUMP_IF_BITS, 0, 1, SYN}, {RETURN, 0, 0, 0}, {RETURN, 0, 0, 0xffffffff},
};

static int listens_on(int file, int port) {
  int listens = 0;
  unsigned char address[128];
  u32 size = sizeof listens;
  if (getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens) return 0;
  size = sizeof address;
  if (getsockname(file, address, &size) != 0) return 0;
  int family = address[0] | address[1] << 8;
  return (family == IPV4 || family == IPV6) && (address[2] << 8 | address[3]) == port;
}

int find_listening(int port, int *found, int most) {
  int count = 0;
  for (int file = 0; file < FILES && count < most; file++) if (listens_on(file, port)) found[count++] = file;
  return count;
}

int share(int file, int port, int is_shared) {
  return listens_on(file, port) && setsockopt(file, SOL_SOCKET, SO_REUSEPORT, &is_shared, sizeof is_shared) == 0;
}

int prefer(int file, int port, int number) {
  if (!listens_on(file, port)) return 0;
  struct step steps[] = {{RETURN, 0, 0, number}};
  struct program choose = {1, steps};
  int unused = 0;
  if (number < 0) return setsockopt(file, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, sizeof unused) == 0;
  return setsockopt(file, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &choose, sizeof choose) == 0;
}

int turn_away(int file, int port, int successor) {
  if (!listens_on(file, port)) return 0;
  choosing[0].value = successor;
  struct program choose = {1, choosing}, drop = {4, dropping};
  setsockopt(file, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &choose, sizeof choose);
  return setsockopt(file, SOL_SOCKET, SO_ATTACH_FILTER, &drop, sizeof drop) == 0;
}

int stop_listening(int file, int port) {
  if (!listens_on(file, port)) return 0;
  int idle = socket(UNIX, STREAM | CLOSE_ON_EXEC, 0);
  if (idle < 0) return 0;
  int done = dup3(idle, file, CLOSE_ON_EXEC) == file;
  close(idle);
  return done;
}
`;

const FUNCTIONS = {
  find_listening: { args: ["int", "ptr", "int"], returns: "int" },
  share: { args: ["int", "int", "int"], returns: "int" },
  prefer: { args: ["int", "int", "int"], returns: "int" },
  turn_away: { args: ["int", "int", "int"], returns: "int" },
  stop_listening: { args: ["int", "int"], returns: "int" },
} as const;
const MAX_SOCKETS = 64; // of one process that listen on one port

/** Sockets of this process that listen on a port. */
export interface ListeningSockets {
  readonly count: number;
  /** Lets others of the same user begin to listen on the port, or no more. */
  share(isShared: boolean): void;
  /**
   * Lets new connections go to the `number`-th that has begun to listen there, from 0 on, for as long as that one does; null
   * shares them out again.
   */
  prefer(number: number | null): void;
  /**
   * Lets new connections go to another that listens there, the `successor`-th that has begun to, -1 for any, and drops those
   * that still come here; those that they have already, and those under way, are still accepted. Returns whether the system
   * does so: where it doesn't, closing a socket may reset a connection.
   */
  turnAway(successor: number): boolean;
  /**
   * Like `turnAway`, and then closes them, once nobody is refused by it. Connections that were accepted live on: whoever owns
   * a socket finds one in its place that nobody connects to.
   */
  close(successor: number): Promise<void>;
}

/** Finds what this process listens on at a port now; null where the system has no means to close it without a loss. */
export async function findListening(port: number): Promise<ListeningSockets | null> {
  if (process.platform !== "linux") return null;
  try {
    const { functions, addressOf } = await compileC(CODE, FUNCTIONS);
    const found = new Int32Array(MAX_SOCKETS);
    const files = found.slice(0, functions.find_listening(port, addressOf(found), MAX_SOCKETS));
    const turnAway: ListeningSockets["turnAway"] = (successor) =>
      files.map((file) => functions.turn_away(file, port, successor)).includes(1);
    return {
      count: files.length,
      share(isShared) {
        for (const file of files) functions.share(file, port, isShared ? 1 : 0);
      },
      prefer(number) {
        for (const file of files) functions.prefer(file, port, number ?? NOBODY);
      },
      turnAway,
      async close(successor) {
        turnAway(successor);
        await Bun.sleep(LEAVE_MS);
        for (const file of files) functions.stop_listening(file, port);
      },
    };
  } catch {
    return null;
  }
}

/** Lets no other process listen on a port of this one any more, now that those have ended which did. */
export async function keepPort(port: number): Promise<void> {
  const sockets = await findListening(port);
  sockets?.prefer(null);
  sockets?.share(false);
}

/**
 * Lets others that listen on the port have its new connections, the `successor`-th of them to begin with it; -1 for any.
 * Resolves once nobody is refused when its socket is closed.
 */
export async function leaveTo(port: number, successor: number): Promise<void> {
  (await findListening(port))?.turnAway(successor);
  await Bun.sleep(LEAVE_MS);
}

/**
 * Goes on to accept what a proxy sends, which has no use for its old connections any more. Resolves once the socket can be
 * closed without resetting any: the proxy takes a request elsewhere where it can't connect, and not where a connection breaks.
 */
export async function leaveProxy(port: number): Promise<void> {
  await Bun.sleep(LEAVE_MS);
  if ((await findListening(port))?.turnAway(NOBODY) === true) await Bun.sleep(ACCEPT_MS);
}
