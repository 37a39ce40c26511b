import { connect, type Socket } from "node:net";
import type { Instance } from "./site.ts";

const EACH = 3; // of each kind, at a time
const TRICKLE_MS = 1000;
const HOLD_MS = 240_000;
/** A connection that nobody uses is closed by the server after 120 s; by this time it must be. */
const FORGOTTEN_MS = 180_000;

interface Silent {
  readonly socket: Socket;
  readonly since: number;
}

/** Connections of clients that say half of something, send a byte a second, read nothing, or reset what they have asked for. */
export class RudeClients implements Disposable {
  readonly #open = new Set<Socket>();
  readonly #silent = new Set<Silent>();
  readonly #timers = new Set<Timer>();
  count = 0;

  /** @param token of somebody who may read and write */
  come(instance: Instance, token: string): void {
    for (let count = 0; count < EACH; count += 1) {
      this.#stayHalfOpen(instance);
      this.#trickle(instance, token);
      this.#readNothing(instance, token);
      this.#reset(instance, token);
    }
  }

  /** How many connections have been silent for longer than the server lets them be. */
  countForgotten(): number {
    const now = performance.now();
    return [...this.#silent].filter(({ since }) => now - since > FORGOTTEN_MS).length;
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#open) socket.destroy();
  }

  /** Begins a request, and goes away in a way that the server isn't told of. */
  #stayHalfOpen(instance: Instance): void {
    const socket = this.#connect(instance, "GET /soak/count HTTP/1.1\r\nhost: x\r\nx-half");
    const silent = { socket, since: performance.now() };
    this.#silent.add(silent);
    socket.once("close", () => this.#silent.delete(silent));
  }

  #trickle(instance: Instance, token: string): void {
    const head = `POST /soak/orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{`;
    const socket = this.#connect(instance, head);
    const timer = setInterval(() => socket.write(" "), TRICKLE_MS);
    this.#timers.add(timer);
    socket.once("close", () => {
      clearInterval(timer);
      this.#timers.delete(timer);
    });
    setTimeout(() => socket.destroy(), HOLD_MS).unref();
  }

  #readNothing(instance: Instance, token: string): void {
    const head = `GET /soak/notes/export.json HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`;
    const socket = this.#connect(instance, head);
    socket.pause();
    setTimeout(() => socket.destroy(), HOLD_MS).unref();
  }

  #reset(instance: Instance, token: string): void {
    const head = `GET /soak/notes?per_page=100 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`;
    const socket = this.#connect(instance, head);
    socket.once("connect", () => setTimeout(() => socket.resetAndDestroy(), Math.random() * 10));
  }

  #connect(instance: Instance, head: string): Socket {
    const socket = connect(Number(new URL(instance.url).port), "127.0.0.1");
    this.count += 1;
    this.#open.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#open.delete(socket));
    socket.write(head);
    return socket;
  }
}
