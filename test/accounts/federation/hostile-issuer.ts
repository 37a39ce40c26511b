import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { CLIENT_ID } from "./issuer.ts";

/** An HTTP server that speaks OpenID Connect as one would who means no good: each answer may be bent. */
export class HostileIssuer {
  readonly url: string;
  readonly #server: Server;
  readonly #keys: Awaited<ReturnType<typeof generateKeyPair>>;
  /** Of the authorization that a browser was last sent here with. */
  nonce = "";
  /** Claims over those of an ID token as it should be. */
  claims: Record<string, unknown> = {};
  /** What is sent in its place. */
  idToken: string | null = null;
  /** Keys over those of its discovery. */
  metadata: Record<string, unknown> = {};
  userinfo: unknown = null;
  /** Answers a path in its own way; false leaves it to the others. */
  answer: (path: string, response: ServerResponse) => boolean = () => false;
  /** How often a code was exchanged. */
  exchanged = 0;

  private constructor(server: Server, url: string, keys: Awaited<ReturnType<typeof generateKeyPair>>) {
    this.#server = server;
    this.url = url;
    this.#keys = keys;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      void this.#respond(request.url ?? "", response);
    });
  }

  static async start(): Promise<HostileIssuer> {
    const server = createServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("The issuer has no port");
    return new HostileIssuer(server, `http://127.0.0.1:${address.port}`, await generateKeyPair("RS256"));
  }

  /** Signs what it likes with its key. */
  sign(claims: JWTPayload, header: { alg?: string; typ?: string } = {}): Promise<string> {
    return new SignJWT(claims)
      .setProtectedHeader({ alg: "RS256", kid: "1", ...header })
      .sign(this.#keys.privateKey);
  }

  /** Claims of now, for the client. */
  toClaims(): JWTPayload {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.url, aud: CLIENT_ID, sub: "ada-1", iat: now, exp: now + 300 };
  }

  [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    return promise;
  }

  async #respond(path: string, response: ServerResponse): Promise<void> {
    if (this.answer(path, response)) return;
    const send = (value: unknown): void =>
      void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (path.startsWith("/.well-known/")) return send({ ...this.#toMetadata(), ...this.metadata });
    if (path === "/keys")
      return send({ keys: [{ ...(await exportJWK(this.#keys.publicKey)), kid: "1", use: "sig" }] });
    if (path === "/userinfo") return send(this.userinfo);
    this.exchanged += 1;
    const own = { ...this.toClaims(), nonce: this.nonce, email: "ada@example.com", email_verified: true };
    const id_token = this.idToken ?? (await this.sign({ ...own, ...this.claims }));
    return send({ access_token: "an access token", token_type: "bearer", id_token, expires_in: 60 });
  }

  #toMetadata() {
    const { url } = this;
    return {
      issuer: url,
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      userinfo_endpoint: `${url}/userinfo`,
      jwks_uri: `${url}/keys`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
      authorization_response_iss_parameter_supported: true,
    };
  }
}
