import { join } from "node:path";
import { findFreePort } from "../../free-port.ts";
import { TestFolder } from "../../setup.ts";
import { makeCertificate } from "../listening/certificates.ts";

/** The account that an authority which asks for one knows. */
export const ACCOUNT = {
  key_id: "kid-1",
  hmac_key: "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
};

const [NO_ERROR, NO_NAME] = [0x8180, 0x8183];
const A = 1;

/**
 * Pebble, the authority that Let's Encrypt has made for tests, with a resolver of its own: all names are this machine, once they
 * are known at all.
 */
export class Authority implements AsyncDisposable {
  /** Whether names have an address. */
  knowsNames = true;
  readonly directory: string;
  /** Where it asks whose a name is. */
  readonly httpPort: number;
  /** Has clients trust it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #disposals: AsyncDisposableStack;

  private constructor(
    {
      port,
      httpPort,
      folder,
    }: { readonly port: number; readonly httpPort: number; readonly folder: TestFolder },
    disposals: AsyncDisposableStack,
  ) {
    this.directory = `https://127.0.0.1:${port}/dir`;
    this.httpPort = httpPort;
    this.environment = { NODE_EXTRA_CA_CERTS: join(folder.path, "cert.pem") };
    this.#disposals = disposals;
  }

  /** @param options `asksForAccount`: takes nobody without one that it knows */
  static async start(
    program: string,
    options: { readonly asksForAccount?: boolean } = {},
  ): Promise<Authority> {
    await using disposals = new AsyncDisposableStack();
    const [port, httpPort] = [findFreePort(), findFreePort()];
    const { cert, key } = await makeCertificate();
    const pebble = {
      listenAddress: `127.0.0.1:${port}`,
      certificate: "cert.pem",
      privateKey: "key.pem",
      httpPort,
      tlsPort: 1,
      retryAfter: { authz: 1, order: 1 },
      externalAccountBindingRequired: options.asksForAccount ?? false,
      externalAccountMACKeys: { [ACCOUNT.key_id]: ACCOUNT.hmac_key },
      keyAlgorithm: "ecdsa",
      profiles: { default: { description: "default", validityPeriod: 7_776_000 } },
    };
    const folder = disposals.use(
      await TestFolder.create({ "cert.pem": cert, "key.pem": key, "config.json": { pebble } }),
    );
    const kept = new AsyncDisposableStack();
    const authority: Authority = new Authority({ port, httpPort, folder }, kept);
    const resolver = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket, query) => void socket.write(authority.#resolve(query.subarray(2))) },
    });
    disposals.defer(() => resolver.stop(true));
    const child = Bun.spawn([program, "-config", "config.json", "-dnsserver", `127.0.0.1:${resolver.port}`], {
      cwd: folder.path,
      env: { PEBBLE_VA_NOSLEEP: "1", PEBBLE_AUTHZREUSE: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    disposals.defer(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    await readUntil(child.stdout, /ACME directory available/);
    kept.use(disposals.move());
    return authority;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposals.disposeAsync();
  }

  /** Answers a query (RFC 1035, by TCP): with this machine for an address of IPv4, with nothing for what else there may be. */
  #resolve(query: Buffer): Buffer {
    const type = query.readUInt16BE(query.indexOf(0, 12) + 1);
    const question = query.subarray(12, query.indexOf(0, 12) + 5);
    const hasAddress = this.knowsNames && type === A;
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(this.knowsNames ? NO_ERROR : NO_NAME, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(hasAddress ? 1 : 0, 6);
    const address = Buffer.from([0xc0, 12, 0, A, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    const message = Buffer.concat(hasAddress ? [head, question, address] : [head, question]);
    return Buffer.concat([Buffer.from([0, message.length]), message]);
  }
}

/** Goes on to read behind it: a program whose output nobody reads stands still. */
async function readUntil(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<void> {
  const found = Promise.withResolvers<void>();
  void (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      text += decoder.decode(chunk, { stream: true });
      if (pattern.test(text)) found.resolve();
    }
    found.reject(new Error(`The authority ended after\n${text}`));
  })();
  await found.promise;
}
