import { websocket } from "elysia/ws";
import type { Listeners } from "./listening/listeners.ts";
import type { InFlight, Mount } from "./mounts.ts";

type Servers = Pick<Listeners, "current" | "all">;

/** How a mount's server finds what Bun knows of a request. */
export interface UpgradeOptions {
  /** Finds the request as Bun received it. */
  readonly toReceived: (request: Request) => Request;
  /** Is told of each request that has become a WebSocket. */
  readonly onUpgrade: (request: Request) => void;
  /** Answers for what a handler of a socket threw, as it would be answered for the request. */
  readonly answerError: (error: unknown, request: Request) => Response;
}

/** Has what it is given called once a socket's user may not have it any more; returns what ends that. */
type Follow = (end: () => void) => () => void;

type Socket = Bun.ServerWebSocket<{
  [OWNER]?: OwnedSockets;
  [FOLLOW]?: Follow;
  [SERVER]?: Bun.Server<unknown>;
}> & {
  [UNFOLLOW]?: () => void;
  [SERVER]?: Bun.Server<unknown> | undefined;
};
type TopicMethod = (topic: unknown, ...rest: unknown[]) => unknown;

const OWNER = Symbol("owner");
const FOLLOW = Symbol("follow");
const UNFOLLOW = Symbol("unfollow");
/** The one that a socket has come by: a topic of Bun's reaches the sockets of one server. */
const SERVER = Symbol("server");
/** What Elysia's sockets tell their errors that no `onError` of the plugin answers: see patches/. */
const ON_ERROR = Symbol.for("xcore/socket-error");
const TOPIC_METHODS = ["subscribe", "unsubscribe", "isSubscribed"] as const;
const PUBLISHING = ["publish", "publishText", "publishBinary"] as const;

const elysiaHandlers = websocket as unknown as Bun.WebSocketHandler<Socket["data"]>;

/** Elysia's WebSocket handlers, which also tell each socket's mount that it is open. */
export const webSocketHandlers: Bun.WebSocketHandler<Socket["data"]> = {
  ...elysiaHandlers,
  open(socket: Socket) {
    socket[SERVER] = socket.data[SERVER];
    socket.data[OWNER]?.adopt(socket);
    const follow = socket.data[FOLLOW];
    // RFC 6455, section 7.4.1: its policy is violated.
    if (follow !== undefined) socket[UNFOLLOW] = follow(() => socket.close(1008, "Access has ended"));
    void elysiaHandlers.open?.(socket);
  },
  close(socket: Socket, code: number, reason: string) {
    socket[UNFOLLOW]?.();
    OwnedSockets.of(socket)?.inFlight.sockets.delete(socket);
    return elysiaHandlers.close?.(socket, code, reason);
  },
};

/**
 * The server as one mount sees it: whatever it upgrades to a WebSocket is known to be its own, topics are the plugin's
 * own, and requests may be copies of those that Bun received. Topics are those of the plugin rather than of one
 * generation: what the next one publishes reaches the sockets of the one that drains.
 */
export function toMountServer(
  servers: Servers,
  owner: Pick<Mount, "plugin" | "inFlight">,
  { toReceived, onUpgrade, answerError }: UpgradeOptions,
): Bun.Server<unknown> {
  const sockets = new OwnedSockets(owner, servers);
  const own: Record<string | symbol, (...args: never[]) => unknown> = {
    upgrade(request: Request, options: { data?: object } = {}) {
      const follow = owner.inFlight.followerOf(request);
      const data = Object.assign(options.data ?? {}, {
        [OWNER]: sockets,
        [ON_ERROR]: async (socket: Socket, error: unknown) => {
          socket.send(await answerError(error, request).text());
        },
        ...(follow && { [FOLLOW]: (end: () => void) => follow(request, end) }),
      });
      const isUpgraded = servers.all.some((server) =>
        tryUpgrade(server, toReceived(request), { ...options, data }),
      );
      if (isUpgraded) onUpgrade(request);
      return isUpgraded;
    },
    requestIP: (request: Request) => currentOf(servers).requestIP(toReceived(request)),
    timeout: (request: Request, seconds: number) => currentOf(servers).timeout(toReceived(request), seconds),
    publish(topic: string, ...rest: [Bun.BufferSource]) {
      const sent = servers.all.map((server) => server.publish(sockets.toShared(topic), ...rest));
      return Math.min(...sent) < 0 ? -1 : Math.max(...sent);
    },
    subscriberCount: (topic: string) =>
      servers.all.reduce((sum, server) => sum + server.subscriberCount(sockets.toShared(topic)), 0),
    stop: () => refuse("stop"),
    reload: () => refuse("reload"),
  };
  return new Proxy(currentOf(servers), {
    get(_target, key) {
      if (Object.hasOwn(own, key)) return own[key];
      const server = currentOf(servers);
      const value: unknown = Reflect.get(server, key, server);
      return typeof value === "function" ? value.bind(server) : value;
    },
  });
}

function currentOf({ current }: Servers): Bun.Server<unknown> {
  if (current === null) throw new TypeError("Cannot use the server: it doesn't listen yet");
  return current;
}

/** Makes a WebSocket of a request, if this is the server that has received it. */
function tryUpgrade(
  server: Bun.Server<unknown>,
  request: Request,
  { data, ...options }: { readonly data: object; readonly headers?: Bun.HeadersInit },
): boolean {
  try {
    return server.upgrade(request, { ...options, data: Object.assign(data, { [SERVER]: server }) });
  } catch (error) {
    if (error instanceof TypeError && /same server/.test(error.message)) return false;
    throw error;
  }
}

function refuse(action: string): never {
  throw new TypeError(`Cannot ${action} the server: it is xcore's, and serves other plugins too`);
}

/** The open sockets of one mount. Bun has one set of topics for all: those of a plugin stand there behind its name. */
class OwnedSockets {
  readonly inFlight: InFlight;
  readonly #prefix: string;
  readonly #servers: Servers;
  /** What they inherit instead of Bun's own, made with the first of them. */
  #prototype: object | null = null;

  constructor({ plugin, inFlight }: Pick<Mount, "plugin" | "inFlight">, servers: Servers) {
    this.inFlight = inFlight;
    this.#servers = servers;
    this.#prefix = `${plugin}:`; // no plugin has a colon in its name
  }

  /** Returns whose a socket is. Not from its `data`, which its plugin may replace. */
  static of(socket: object): OwnedSockets | undefined {
    return (socket as { [OWNER]?: OwnedSockets })[OWNER];
  }

  /** Makes a socket that has just been opened one of these. */
  adopt(socket: Socket): void {
    this.#prototype ??= toPrototype(Object.getPrototypeOf(socket) as Socket, this);
    Object.setPrototypeOf(socket, this.#prototype);
    this.inFlight.sockets.add(socket);
  }

  /** Publishes on the other servers what a socket of this one has. */
  publishElsewhere(
    server: Bun.Server<unknown> | undefined,
    topic: string,
    message: [Bun.BufferSource],
  ): void {
    const { all } = this.#servers;
    if (all.length < 2) return;
    for (const other of all) if (other !== server) other.publish(topic, ...message);
  }

  /** Returns the name by which the plugin knows a topic. */
  toOwn(shared: string): string {
    return shared.slice(this.#prefix.length);
  }

  /** Returns the name by which Bun knows a topic. What is no name is left to Bun to refuse. */
  toShared<Topic>(topic: Topic): Topic {
    return typeof topic === "string" && topic !== "" ? ((this.#prefix + topic) as Topic & string) : topic;
  }
}

/** Returns what sockets inherit instead of Bun's own prototype. */
function toPrototype(native: Socket, owner: OwnedSockets): object {
  const prototype = Object.create(native, {
    [OWNER]: { value: owner },
    subscriptions: {
      get(this: Socket): string[] {
        const names = Reflect.get<Socket, "subscriptions">(native, "subscriptions", this);
        return names.map((name) => owner.toOwn(name));
      },
    },
  }) as Record<string, TopicMethod>;
  for (const name of TOPIC_METHODS) {
    const method = native[name] as TopicMethod;
    prototype[name] = function (this: Socket, topic, ...rest) {
      return method.call(this, owner.toShared(topic), ...rest);
    };
  }
  for (const name of PUBLISHING) {
    const method = native[name] as TopicMethod;
    prototype[name] = function (this: Socket, topic, ...rest) {
      const shared = owner.toShared(topic);
      const sent = method.call(this, shared, ...rest);
      owner.publishElsewhere(this[SERVER], shared as string, rest as [Bun.BufferSource]);
      return sent;
    };
  }
  return prototype;
}
