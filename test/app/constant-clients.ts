import { connect } from "node:net";

/** What clients have seen that ask all the time. */
export interface Seen {
  readonly answers: number;
  /** Each connection that was refused or cut off before its answer, and each answer that isn't 200. */
  readonly failures: readonly string[];
}

export interface ConstantClientsOptions {
  readonly url: string;
  readonly path: string;
  /** Each of which makes a new connection for each request. */
  readonly fresh: number;
  /** Each of which keeps its connection for as long as the server does. */
  readonly kept: number;
}

/**
 * Asks all the time by plain sockets, for a client of HTTP may try a request again that has failed, and say nothing.
 *
 * @returns what ends it
 */
export function askConstantly({ url, path, fresh, kept }: ConstantClientsOptions): () => Promise<Seen> {
  const { hostname, port } = new URL(url);
  const failures: string[] = [];
  let answers = 0;
  let isOver = false;

  /** Asks by one connection until it is closed as HTTP says. */
  const askBy = (keeps: boolean): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const head = `GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\n${keeps ? "" : "connection: close\r\n"}\r\n`;
    const socket = connect(Number(port), hostname, () => socket.write(head));
    let text = "";
    let isDone = false;
    const finish = (problem: string | null): void => {
      if (isDone) return;
      isDone = true;
      if (problem !== null) failures.push(`${keeps ? "kept" : "fresh"}: ${problem}`);
      socket.destroy();
      resolve();
    };
    socket.on("data", (bytes) => {
      text += bytes.toString();
      const [fields = "", body] = text.split("\r\n\r\n");
      if (body === undefined || body.length < Number(/content-length: (\d+)/i.exec(fields)?.[1])) return;
      if (!fields.startsWith("HTTP/1.1 200")) return finish(text);
      answers += 1;
      if (isOver || !keeps || /connection: close/i.test(fields)) return finish(null);
      text = "";
      socket.write(head);
    });
    socket.on("error", (error) => finish(String(error)));
    socket.on("close", () => finish("closed before its answer"));
    return promise;
  };

  const clients = Array.from({ length: fresh + kept }, async (_, index) => {
    // oxlint-disable-next-line no-await-in-loop -- one connection after another
    while (!isOver) await askBy(index >= fresh);
  });
  return async () => {
    isOver = true;
    await Promise.all(clients);
    return { answers, failures };
  };
}
