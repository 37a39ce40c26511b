import { createServer, type Server, type Socket } from "node:net";
import { type ParsedMail, simpleParser } from "mailparser";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

/** A mail that a server has taken. */
export interface TakenMail {
  readonly to: readonly string[];
  readonly from: string;
  /** As it came over the wire. */
  readonly raw: string;
  readonly parsed: ParsedMail;
}

/** A real mail server on a free port. */
export class MailServer implements AsyncDisposable {
  readonly mails: TakenMail[] = [];
  readonly port: number;
  readonly #server: SMTPServer;
  #waiting: (() => void)[] = [];

  private constructor(server: SMTPServer, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** @param answers are what it says instead of taking a mail, one after the other: a code of SMTP, or null for taking it */
  static async start(options: SMTPServerOptions = {}, answers: (number | null)[] = []): Promise<MailServer> {
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ["STARTTLS"],
      disableReverseLookup: true,
      logger: false,
      onData(stream, { envelope }, done) {
        const chunks: Buffer[] = [];
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("end", () => {
          const answer = answers.shift() ?? null;
          if (answer !== null) {
            done(Object.assign(new Error("Not today"), { responseCode: answer }));
            return;
          }
          const raw = Buffer.concat(chunks);
          const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
          const to = envelope.rcptTo.map(({ address }) => address);
          const parsing = simpleParser(raw).then((parsed) =>
            self.#take({ to, from, raw: raw.toString(), parsed }),
          );
          void parsing.finally(done);
        });
      },
      ...options,
    });
    server.on("error", () => {}); // of clients that were killed
    const listening = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", () => listening.resolve());
    await listening.promise;
    const self = new MailServer(server, (server.server.address() as { port: number }).port);
    return self;
  }

  /** Resolves once it has taken so many. */
  async taken(count: number): Promise<readonly TakenMail[]> {
    while (this.mails.length < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      // oxlint-disable-next-line no-await-in-loop -- one mail after the other
      await promise;
    }
    return this.mails;
  }

  /** Lets go of all clients. */
  dropClients(): void {
    for (const client of this.#server.connections) client.close();
  }

  /** For config.json. */
  get config() {
    return { url: `smtp://127.0.0.1:${this.port}`, from: "Example <noreply@example.com>" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    await closed.promise;
  }

  #take(mail: TakenMail): void {
    this.mails.push(mail);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** What a server does that misbehaves, at each thing that it is told. */
export type Misbehaviour = (said: string, socket: Socket) => void;

/** A server that takes connections, and leaves the rest to the test. */
export class RudeServer implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
    server.on("connection", (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(greeting: string | null, behave: Misbehaviour = () => {}): Promise<RudeServer> {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      if (greeting !== null) socket.write(greeting);
      socket.on("data", (chunk) => behave(chunk.toString(), socket));
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    return new RudeServer(server);
  }

  get config() {
    return { url: `smtp://127.0.0.1:${this.port}`, from: "noreply@example.com" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }
}

/** Says what a server says that takes all mail, up to the end of a mail, which `onMail` is told of. */
export function takeUpTo(at: "DATA" | "content" | "end", cut: (socket: Socket) => void): Misbehaviour {
  return (said, socket) => {
    if (/^EHLO/m.test(said)) socket.write("250-rude\r\n250 SIZE 1000000\r\n");
    else if (/^(?:MAIL|RCPT)/m.test(said)) socket.write("250 fine\r\n");
    else if (/^DATA/m.test(said)) {
      if (at === "DATA") cut(socket);
      else socket.write("354 go on\r\n");
    } else if (at === "content" || said.endsWith("\r\n.\r\n")) cut(socket);
  };
}
