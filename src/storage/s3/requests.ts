import { createHash, createHmac } from "node:crypto";

/** `storage.s3` of config.json. */
export interface S3Settings {
  readonly endpoint: string | null;
  readonly bucket: string;
  readonly region: string;
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly prefix: string;
}

/** What is asked of an object, or of the bucket. */
export interface ObjectRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With its prefix; "" for the bucket. */
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | string;
}

/** What a bucket has answered. */
export interface ObjectAnswer {
  readonly text: string;
  readonly etag: string;
}

const ALGORITHM = "AWS4-HMAC-SHA256";
const UNSIGNED = "UNSIGNED-PAYLOAD";
const SIGNED_HEADERS = "host;x-amz-content-sha256;x-amz-date";
/** Characters of an answer that says what is wrong. */
const SHOWN = 300;

/** Asks a bucket for what Bun's client can't: signed as S3 wants it (Signature Version 4), and stopped when it takes too long. */
export class ObjectRequests {
  readonly #settings: S3Settings;
  readonly #base: URL;
  readonly #timeoutMs: number;

  constructor(settings: S3Settings, timeoutMs: number) {
    this.#settings = settings;
    this.#base = new URL(settings.endpoint ?? `https://s3.${settings.region}.amazonaws.com`);
    this.#timeoutMs = timeoutMs;
  }

  /** @throws Error for whatever isn't done, with the code that the bucket gives */
  async send({ method, key, query, body }: ObjectRequest): Promise<ObjectAnswer> {
    const path = [
      this.#base.pathname.replace(/\/$/, ""),
      this.#settings.bucket,
      ...(key === "" ? [] : key.split("/")),
    ]
      .map((part, index) => (index === 0 ? part : encode(part)))
      .join("/");
    const search = Object.entries(query)
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .toSorted()
      .join("&");
    const response = await fetch(`${this.#base.origin}${path}?${search}`, {
      method,
      headers: this.#sign(method, path, search),
      redirect: "manual",
      signal: AbortSignal.timeout(this.#timeoutMs),
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    // What takes long to put together is answered with 200 before it is known whether it can be.
    if (!response.ok || text.includes("<Error>")) {
      const code = /<Code>([^<]*)/.exec(text)?.[1] ?? text.slice(0, SHOWN);
      throw new Error(`S3 answered ${method} with ${response.status}: ${code}`);
    }
    return { text, etag: response.headers.get("etag") ?? "" };
  }

  /** @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
  #sign(method: string, path: string, search: string): Record<string, string> {
    const { region, access_key_id: keyId, secret_access_key: secret } = this.#settings;
    const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
    const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
    const headers = `host:${this.#base.host}\nx-amz-content-sha256:${UNSIGNED}\nx-amz-date:${time}\n`;
    const request = [method, path, search, headers, SIGNED_HEADERS, UNSIGNED].join("\n");
    const digest = createHash("sha256").update(request).digest("hex");
    let key: string | Buffer = `AWS4${secret}`;
    for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
    const signature = createHmac("sha256", key)
      .update([ALGORITHM, time, scope, digest].join("\n"))
      .digest("hex");
    return {
      authorization: `${ALGORITHM} Credential=${keyId}/${scope}, SignedHeaders=${SIGNED_HEADERS}, Signature=${signature}`,
      "x-amz-content-sha256": UNSIGNED,
      "x-amz-date": time,
    };
  }
}

/** As RFC 3986 has it: encodeURIComponent leaves five characters that a signature mustn't. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
