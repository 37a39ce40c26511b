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

int hand_over(int port, int successor) {
  choosing[0].value = successor;
  struct program choose = {1, choosing}, drop = {4, dropping};
  int done = 0;
  for (int file = 0; file < FILES; file++) {
    if (!listens_on(file, port)) continue;
    setsockopt(file, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &choose, sizeof choose);
    if (setsockopt(file, SOL_SOCKET, SO_ATTACH_FILTER, &drop, sizeof drop) == 0) done++;
  }
  return done;
}
`;

/**
 * Lets others that listen on the port have its new connections, the `successor`-th of them to begin with it; -1 for any.
 * Resolves once nobody is refused when its socket is closed.
 */
export async function leaveTo(port: number, successor: number): Promise<void> {
  await turnAway(port, successor);
  await Bun.sleep(LEAVE_MS);
}

/**
 * Goes on to accept what a proxy sends, which has no use for its old connections any more. Resolves once the socket can be
 * closed without resetting any: the proxy takes a request elsewhere where it can't connect, and not where a connection breaks.
 */
export async function leaveProxy(port: number): Promise<void> {
  await Bun.sleep(LEAVE_MS);
  if (await turnAway(port, NOBODY)) await Bun.sleep(ACCEPT_MS);
}

/**
 * Lets new connections to a port go to another that listens there, the `successor`-th that has begun to, and drops those that
 * still come here; those that it has already, and those under way, are still accepted.
 *
 * @returns whether the system does so: where it doesn't, closing the socket may reset a connection
 */
async function turnAway(port: number, successor: number): Promise<boolean> {
  if (process.platform !== "linux") return false;
  try {
    const { functions } = await compileC(CODE, { hand_over: { args: ["int", "int"], returns: "int" } });
    return functions.hand_over(port, successor) > 0;
  } catch {
    return false;
  }
}
