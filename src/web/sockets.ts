import { websocket } from "elysia/ws";
import type { InFlight, Mount } from "./mounts.ts";

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

type Socket = Bun.ServerWebSocket<{ [OWNER]?: OwnedSockets; [FOLLOW]?: Follow }> & {
  [UNFOLLOW]?: () => void;
};
type TopicMethod = (topic: unknown, ...rest: unknown[]) => unknown;

const OWNER = Symbol("owner");
const FOLLOW = Symbol("follow");
const UNFOLLOW = Symbol("unfollow");
/** What Elysia's sockets tell their errors that no `onError` of the plugin answers: see patches/. */
const ON_ERROR = Symbol.for("xcore/socket-error");
const TOPIC_METHODS = [
  "subscribe",
  "unsubscribe",
  "isSubscribed",
  "publish",
  "publishText",
  "publishBinary",
] as const;

const elysiaHandlers = websocket as unknown as Bun.WebSocketHandler<Socket["data"]>;

/** Elysia's WebSocket handlers, which also tell each socket's mount that it is open. */
export const webSocketHandlers: Bun.WebSocketHandler<Socket["data"]> = {
  ...elysiaHandlers,
  open(socket: Socket) {
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
  server: Bun.Server<unknown>,
  owner: Pick<Mount, "plugin" | "inFlight">,
  { toReceived, onUpgrade, answerError }: UpgradeOptions,
): Bun.Server<unknown> {
  const sockets = new OwnedSockets(owner);
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
      const isUpgraded = server.upgrade(toReceived(request), { ...options, data });
      if (isUpgraded) onUpgrade(request);
      return isUpgraded;
    },
    requestIP: (request: Request) => server.requestIP(toReceived(request)),
    timeout: (request: Request, seconds: number) => server.timeout(toReceived(request), seconds),
    publish: (topic: string, ...rest: [Bun.BufferSource]) => server.publish(sockets.toShared(topic), ...rest),
    subscriberCount: (topic: string) => server.subscriberCount(sockets.toShared(topic)),
    stop: () => refuse("stop"),
    reload: () => refuse("reload"),
  };
  return new Proxy(server, {
    get(target, key) {
      if (Object.hasOwn(own, key)) return own[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function refuse(action: string): never {
  throw new TypeError(`Cannot ${action} the server: it is xcore's, and serves other plugins too`);
}

/** The open sockets of one mount. Bun has one set of topics for all: those of a plugin stand there behind its name. */
class OwnedSockets {
  readonly inFlight: InFlight;
  readonly #prefix: string;
  /** What they inherit instead of Bun's own, made with the first of them. */
  #prototype: object | null = null;

  constructor({ plugin, inFlight }: Pick<Mount, "plugin" | "inFlight">) {
    this.inFlight = inFlight;
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
  return prototype;
}
