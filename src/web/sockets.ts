import { websocket } from "elysia/ws";
import type { InFlight } from "./mounts.ts";

interface SocketData {
  inFlight?: InFlight;
}

type Socket = Bun.ServerWebSocket<SocketData>;

const elysiaHandlers = websocket as unknown as Bun.WebSocketHandler<SocketData>;

/** Elysia's WebSocket handlers, which also tell each socket's mount that it is open. */
export const webSocketHandlers: Bun.WebSocketHandler<SocketData> = {
  ...elysiaHandlers,
  open(socket: Socket) {
    socket.data.inFlight?.sockets.add(socket);
    void elysiaHandlers.open?.(socket);
  },
  close(socket: Socket, code: number, reason: string) {
    socket.data.inFlight?.sockets.delete(socket);
    return elysiaHandlers.close?.(socket, code, reason);
  },
};

/**
 * The server as one mount sees it: whatever it upgrades to a WebSocket is known to be its own, and requests may
 * be copies of those that Bun received.
 *
 * @param options.toReceived finds the request as Bun received it
 * @param options.onUpgrade is told of each request that has become a WebSocket
 */
export function toMountServer(
  server: Bun.Server<unknown>,
  inFlight: InFlight,
  {
    toReceived,
    onUpgrade,
  }: { toReceived: (request: Request) => Request; onUpgrade: (request: Request) => void },
): Bun.Server<unknown> {
  return new Proxy(server, {
    get(target, key) {
      if (key === "upgrade") {
        return (request: Request, options: { data?: SocketData } = {}) => {
          const data = Object.assign(options.data ?? {}, { inFlight });
          const isUpgraded = target.upgrade(toReceived(request), { ...options, data });
          if (isUpgraded) onUpgrade(request);
          return isUpgraded;
        };
      }
      if (key === "requestIP") return (request: Request) => target.requestIP(toReceived(request));
      if (key === "timeout") {
        return (request: Request, seconds: number) => target.timeout(toReceived(request), seconds);
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
