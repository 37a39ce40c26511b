import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { Agent, get } from "node:https";
import { connect } from "node:tls";
import { XcoreServer } from "../../cli/xcore-process.ts";
import { TestFolder } from "../../setup.ts";
import { makeCertificate, type TestCertificate } from "./certificates.ts";

const PLUGIN = `import { createRouter } from "xcore";
export default createRouter()
  .get("/", () => "whole")
  .get("/publish", ({ server }) => String(server.publish("news", "from the server")) + server.subscriberCount("news"))
  .get("/events", async function* () { for (let at = 0; ; at++) { yield "data: " + at + "\\n\\n"; await Bun.sleep(20); } })
  .ws("/socket", {
    open(socket) { socket.subscribe("news"); socket.send("open"); },
    message(socket, message) { socket.publish("news", message); },
  });
`;

/** Clients that connect anew for each request, and clients that keep their connections, until they are told to stop. */
class Load {
  answered = 0;
  readonly failures: string[] = [];
  readonly seen = new Set<string>();
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 3, rejectUnauthorized: false });
  readonly #running: Promise<void>[];
  #isOver = false;

  constructor(port: number) {
    this.#port = port;
    const clients = [
      ...Array.from({ length: 4 }, () => () => this.#connectAnew()),
      ...Array.from({ length: 3 }, () => () => this.#keep()),
    ];
    this.#running = clients.map((client) => this.#repeat(client));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    this.#agent.destroy();
  }

  async #repeat(ask: () => Promise<unknown>): Promise<void> {
    while (!this.#isOver) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await ask().then(
        () => (this.answered += 1),
        (error: unknown) => this.failures.push(String(error)),
      );
    }
  }

  async #connectAnew(): Promise<void> {
    this.seen.add(await showCertificate(this.#port));
  }

  #keep(): Promise<void> {
    const port = this.#port;
    return new Promise((resolve, reject) => {
      get({ host: "127.0.0.1", port, path: "/x", agent: this.#agent }, (answer) => {
        answer.resume();
        answer.on("end", () =>
          answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}`)),
        );
      }).on("error", reject);
    });
  }
}

/** Asks for a page by a connection of its own; returns the fingerprint of the certificate that it was shown. */
function showCertificate(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    let fingerprint = "";
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      fingerprint = socket.getPeerCertificate().fingerprint256;
      socket.write("GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    });
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.on("error", reject);
    socket.on("close", () =>
      answer.endsWith("whole") ? resolve(fingerprint) : reject(new Error(`Closed: ${answer}`)),
    );
  });
}

/** A WebSocket with what it has been sent. */
class Socket {
  readonly messages: string[] = [];
  readonly #socket: WebSocket;
  #wake: () => void = () => {};

  constructor(url: string) {
    this.#socket = new WebSocket(url, { tls: { rejectUnauthorized: false } } as never);
    this.#socket.addEventListener("message", ({ data }) => {
      this.messages.push(String(data));
      this.#wake();
    });
    this.#socket.addEventListener("close", ({ code }) => this.messages.push(`closed ${code}`));
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  async until(text: string): Promise<void> {
    while (!this.messages.includes(text)) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  close(): void {
    this.#socket.close();
  }
}

const print = ({ cert }: TestCertificate): string => new X509Certificate(cert).fingerprint256;
const files = ({ cert, key }: TestCertificate) => ({ "tls/cert.pem": cert, "tls/key.pem": key });

test("renewed files are taken without a refused connection, a failed request or an ended stream", async () => {
  const [first, second, third, expired, other] = await Promise.all([
    makeCertificate(),
    makeCertificate(),
    makeCertificate(),
    makeCertificate(undefined, -3),
    makeCertificate(),
  ]);
  await using folder = await TestFolder.create({
    "config.json": { server: { tls: { cert: "tls/cert.pem", key: "tls/key.pem" } } },
    "plugins/x/plugin.json": { name: "x", version: "1.0.0" },
    "plugins/x/run.ts": PLUGIN,
    ...files(first),
  });
  await using server = await XcoreServer.start(folder);
  expect(server.url).toStartWith("https://");
  const port = Number(new URL(server.url).port);
  const tls = { rejectUnauthorized: false };
  const socketUrl = `wss://127.0.0.1:${port}/x/socket`;
  const told = async (host: string) =>
    (await fetch(server.url, { tls, headers: { host } })).headers.get("strict-transport-security");
  expect([await told("erp.example.com"), await told("localhost")]).toEqual(["max-age=31536000", null]);
  const early = new Socket(socketUrl);
  await early.until("open");
  const events = (await fetch(`${server.url}/x/events`, { tls })).body?.getReader();
  const load = new Load(port);

  for (const next of [second, third]) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await server.after(() => folder.write(files(next)), /another certificate is shown from now on/);
  }
  const refusals = [
    [
      files({ ...third, cert: "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n" }),
      /certificate 1 of server\.tls\.cert can't be read/,
    ],
    [files({ cert: other.cert, key: third.key }), /server\.tls\.key is the key of another certificate/],
    [files(expired), /it expired on /],
  ] as const;
  for (const [broken, reason] of refusals) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await server.after(() => folder.write(broken), reason);
  }
  expect(await showCertificate(port)).toBe(print(third));

  const late = new Socket(socketUrl);
  await late.until("open");
  early.send("from the early one");
  await late.until("from the early one");
  late.send("from the late one");
  await early.until("from the late one");
  const published = await (await fetch(`${server.url}/x/publish`, { tls })).text();
  expect(published).toEndWith("2"); // who listens
  await Promise.all([early.until("from the server"), late.until("from the server")]);
  expect((await events?.read())?.done).toBe(false);

  await load.stop();
  expect(load.failures).toEqual([]);
  expect(load.answered).toBeGreaterThan(100);
  expect([...load.seen]).toEqual([first, second, third].map(print));
  await server.after(() => folder.write(files(other)), /another certificate is shown from now on/);
  expect(await showCertificate(port)).toBe(print(other));
  await events?.cancel();
  early.close();
  late.close();
}, 120_000);
