import type { Readable } from "node:stream";
import { type Envelope, Line } from "./line.ts";
import type { Target } from "./target.ts";

/** How many mails go over one connection, as servers may limit them. */
const MOST_SENT = 100;
const IDLE_MS = 5000;

/** Connections with a mail server: one that is free is used again. */
export class Lines {
  #free: Line[] = [];
  #target = "";
  #timer: NodeJS.Timeout | null = null;

  /**
   * Hands a mail over; returns what the server says.
   *
   * @param message gives what is sent, anew for each try
   * @param isBegun whether something of it may have been taken, so that it may not be tried again
   * @throws MailFailure
   */
  async send(
    target: Target,
    envelope: Envelope,
    { message, isBegun, signal }: { message: () => Readable; isBegun: () => boolean; signal: AbortSignal },
  ): Promise<string> {
    const kept = this.#take(target);
    if (kept !== null) {
      try {
        return await this.#over(kept, envelope, message(), signal);
      } catch (error) {
        // It may have been closed for having been idle.
        if (kept.sent === 0 || isBegun() || signal.aborted || !isBroken(error)) throw error;
      }
    }
    const line = await Line.open(target, { signal });
    return this.#over(line, envelope, message(), signal);
  }

  close(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    for (const line of this.#free.splice(0)) void line.quit();
  }

  async #over(line: Line, envelope: Envelope, message: Readable, signal: AbortSignal): Promise<string> {
    const response = await line.send(envelope, message, signal);
    if (line.isOpen && line.sent < MOST_SENT) this.#keep(line);
    else void line.quit();
    return response;
  }

  #take(target: Target): Line | null {
    const key = JSON.stringify(target);
    if (key !== this.#target) this.close();
    this.#target = key;
    this.#free = this.#free.filter(({ isOpen }) => isOpen);
    return this.#free.pop() ?? null;
  }

  #keep(line: Line): void {
    this.#free.push(line);
    clearTimeout(this.#timer ?? undefined);
    this.#timer = setTimeout(() => this.close(), IDLE_MS).unref();
  }
}

function isBroken(error: unknown): boolean {
  return (error as { isOfServer?: boolean }).isOfServer === true;
}
