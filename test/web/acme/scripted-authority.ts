import {
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 86_400_000;

/** What an authority answers, where it isn't as it should. */
export interface Script {
  /** Instead of what ACME says, by the path of the request. */
  readonly answers?: Readonly<Record<string, () => Response>>;
  /** Names that it issues a certificate for, whatever it is asked for. */
  readonly names?: readonly string[];
}

/** An authority that believes everything and is told what to do wrong: Pebble does all as RFC 8555 says. */
export class ScriptedAuthority implements Disposable {
  readonly #server: Bun.Server<undefined>;
  readonly #script: Script;
  #requests = 0;
  #issued = "";

  constructor(script: Script) {
    this.#script = script;
    this.#server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.#answer(request) });
  }

  get directory(): string {
    return new URL("/directory", this.#server.url).href;
  }

  /** How often it was asked. */
  get requests(): number {
    return this.#requests;
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    this.#requests += 1;
    const { pathname, origin } = new URL(request.url);
    const wrong = this.#script.answers?.[pathname]?.();
    const nonce = { "replay-nonce": `nonce-${this.#requests}` };
    if (wrong !== undefined) {
      wrong.headers.set("replay-nonce", nonce["replay-nonce"]);
      return wrong;
    }
    const order = {
      status: this.#issued === "" ? "ready" : "valid",
      authorizations: [`${origin}/authorization`],
      finalize: `${origin}/finalize`,
      certificate: `${origin}/certificate`,
    };
    const send = (value: unknown, status: number, location: string): Response =>
      Response.json(value, { status, headers: { ...nonce, location: origin + location } });
    switch (pathname) {
      case "/directory":
        return send(
          { newNonce: `${origin}/nonce`, newAccount: `${origin}/account`, newOrder: `${origin}/order` },
          200,
          "",
        );
      case "/account":
        return send({ status: "valid" }, 201, "/account/1");
      case "/order":
        return send(order, 201, "/order/1");
      case "/authorization":
        return send({ status: "valid", identifier: { value: "erp.example.com" }, challenges: [] }, 200, "");
      case "/finalize":
        this.#issued = await this.#issue(((await request.json()) as { payload: string }).payload);
        return send({ ...order, status: "valid" }, 200, "/order/1");
      case "/certificate":
        return new Response(this.#issued, { headers: nonce });
      default:
        return new Response(null, { headers: nonce });
    }
  }

  async #issue(payload: string): Promise<string> {
    const { csr } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { csr: string };
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const names = this.#script.names ?? ["erp.example.com"];
    const issued = await X509CertificateGenerator.create({
      subject: `CN=${names[0]}`,
      issuer: "CN=Scripted",
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + 90 * DAY_MS),
      publicKey: new Pkcs10CertificateRequest(Buffer.from(csr, "base64url")).publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns" as const, value }))),
      ],
    });
    return `${issued.toString("pem")}\n`;
  }
}
