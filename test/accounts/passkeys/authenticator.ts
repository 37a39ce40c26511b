import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

const USER_PRESENT = 1;
const USER_VERIFIED = 4;
const ATTESTED = 64;

/** What of an answer is other than it should be. */
export interface Bent {
  readonly origin?: string;
  readonly rpId?: string;
  readonly challenge?: string;
  readonly type?: string;
  readonly isVerified?: boolean;
  readonly userHandle?: string | null;
  readonly signature?: Uint8Array;
  readonly crossOrigin?: boolean;
  /** COSE algorithm that a new passkey says it has. */
  readonly alg?: number;
}

interface Options {
  readonly challenge: string;
  readonly rpId?: string;
  readonly rp?: { readonly id: string };
  readonly user?: { readonly id: string };
}

const base64url = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64url");
const hash = (text: string | Uint8Array): Buffer => createHash("sha256").update(text).digest();

/** A passkey in software, as a browser and its authenticator answer (WebAuthn 3, 6): ECDSA with P-256. */
export class SoftPasskey {
  readonly id = randomBytes(32);
  readonly #private: KeyObject;
  readonly #point: Buffer;
  readonly #origin: string;
  userHandle: string | null = null;
  /** How often it has signed; null for one that doesn't count. */
  count: number | null;

  constructor(origin: string, { count = 0 }: { count?: number | null } = {}) {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#private = privateKey;
    const { x = "", y = "" } = publicKey.export({ format: "jwk" });
    this.#point = Buffer.concat([Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
    this.#origin = origin;
    this.count = count;
  }

  /** What `navigator.credentials.create()` answers. */
  create(options: Options, bent: Bent = {}) {
    this.userHandle = options.user?.id ?? null;
    const authData = this.#authenticatorData(bent.rpId ?? options.rp?.id ?? "", bent, [
      Buffer.alloc(16),
      Buffer.from([0, this.id.length]),
      this.id,
      this.#coseKey(bent.alg ?? -7),
    ]);
    // CBOR: { fmt: "none", attStmt: {}, authData }
    const attestation = Buffer.concat([
      Buffer.from("a363666d74646e6f6e656761747453746d74a068617574684461746158", "hex"),
      Buffer.from([authData.length]),
      authData,
    ]);
    return {
      ...this.#frame(),
      response: {
        clientDataJSON: base64url(this.#clientData("webauthn.create", options, bent)),
        attestationObject: base64url(attestation),
        transports: ["internal"],
      },
    };
  }

  /** What `navigator.credentials.get()` answers. */
  get(options: Options, bent: Bent = {}) {
    if (this.count !== null) this.count += 1;
    const clientData = this.#clientData("webauthn.get", options, bent);
    const authData = this.#authenticatorData(bent.rpId ?? options.rpId ?? "", bent);
    const signature = sign("sha256", Buffer.concat([authData, hash(clientData)]), this.#private);
    const userHandle = bent.userHandle === undefined ? this.userHandle : bent.userHandle;
    return {
      ...this.#frame(),
      response: {
        clientDataJSON: base64url(clientData),
        authenticatorData: base64url(authData),
        signature: base64url(bent.signature ?? signature),
        ...(userHandle !== null && { userHandle }),
      },
    };
  }

  #frame() {
    const id = base64url(this.id);
    return {
      id,
      rawId: id,
      type: "public-key" as const,
      authenticatorAttachment: "platform",
      clientExtensionResults: {},
    };
  }

  #clientData(type: string, { challenge }: Options, bent: Bent): Buffer {
    const data = {
      type: bent.type ?? type,
      challenge: bent.challenge ?? challenge,
      origin: bent.origin ?? this.#origin,
      crossOrigin: bent.crossOrigin ?? false,
    };
    return Buffer.from(JSON.stringify(data));
  }

  #authenticatorData(
    rpId: string,
    { isVerified = true }: Bent,
    attested: readonly Uint8Array[] = [],
  ): Buffer {
    const flags = USER_PRESENT | (isVerified ? USER_VERIFIED : 0) | (attested.length > 0 ? ATTESTED : 0);
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(this.count ?? 0);
    return Buffer.concat([hash(rpId), Buffer.from([flags]), counter, ...attested]);
  }

  /** CBOR: { 1: 2 (EC2), 3: alg, -1: 1 (P-256), -2: x, -3: y } */
  #coseKey(alg: number): Buffer {
    return Buffer.concat([
      Buffer.from([0xa5, 0x01, 0x02, 0x03, ...toCbor(alg), 0x20, 0x01, 0x21, 0x58, 0x20]),
      this.#point.subarray(0, 32),
      Buffer.from([0x22, 0x58, 0x20]),
      this.#point.subarray(32),
    ]);
  }
}

/** An answer that is none to any challenge of the server, but has all that answers have. */
export function strangeAnswer() {
  const passkey = new SoftPasskey("https://evil.example");
  const made = passkey.create({ challenge: "AAAA", rp: { id: "evil.example" }, user: { id: "AAAA" } });
  const signed = passkey.get({ challenge: "AAAA", rpId: "evil.example" });
  return { ...signed, response: { ...made.response, ...signed.response } };
}

/** A small integer as CBOR. */
function toCbor(value: number): number[] {
  const [major, amount] = value < 0 ? [0x20, -value - 1] : [0, value];
  return amount < 24 ? [major + amount] : [major + 24, amount];
}
