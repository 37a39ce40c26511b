/** Below those that the system gives to whoever asks for any port, on Linux 32768 to 60999. */
const LOWEST = 12_000;
const COUNT = 20_000;

const given = new Set<number>();

/** Finds a port for a program that is started later, or again: none that another test may be given by the system meanwhile. */
export function findFreePort(): number {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * COUNT);
    if (given.has(port) || !isFree(port)) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
