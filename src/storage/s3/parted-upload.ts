import type { ObjectRequests } from "./requests.ts";

/** Tries again what can be asked for again. */
export type Retry = <T>(work: () => Promise<T>) => Promise<T>;

/** How many are under way at once: each is held until it is there. */
const PARTS_AT_ONCE = 2;

/** An object that is sent in parts, and is there once all of them are. */
export class PartedUpload {
  readonly #requests: ObjectRequests;
  readonly #retry: Retry;
  readonly #key: string;
  readonly #id: string;
  readonly #etags: string[] = [];
  #sent = 0;
  #underWay: Promise<void>[] = [];

  private constructor(requests: ObjectRequests, retry: Retry, { key, id }: { key: string; id: string }) {
    this.#requests = requests;
    this.#retry = retry;
    this.#key = key;
    this.#id = id;
  }

  static async begin(requests: ObjectRequests, retry: Retry, key: string): Promise<PartedUpload> {
    const { text } = await retry(() => requests.send({ method: "POST", key, query: { uploads: "" } }));
    const id = /<UploadId>([^<]+)<\/UploadId>/.exec(text)?.[1];
    if (id === undefined) throw new Error("S3 named no upload that parts can be sent for");
    return new PartedUpload(requests, retry, { key, id });
  }

  /** Sends a part, and waits where too many are under way. The bytes mustn't be changed until the end. */
  async send(part: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#underWay.length >= PARTS_AT_ONCE) await this.#underWay.shift();
    this.#sent += 1;
    const sending = this.#sendPart(this.#sent, part);
    sending.catch(() => {}); // told by whoever waits for it
    this.#underWay.push(sending);
  }

  async #sendPart(number: number, body: Uint8Array<ArrayBuffer>): Promise<void> {
    const query = { partNumber: String(number), uploadId: this.#id };
    const { etag } = await this.#retry(() =>
      this.#requests.send({ method: "PUT", key: this.#key, query, body }),
    );
    this.#etags[number - 1] = etag;
  }

  /** Makes one object of the parts. */
  async complete(): Promise<void> {
    await Promise.all(this.#underWay);
    const parts = this.#etags.map(
      (etag, index) =>
        `<Part><PartNumber>${index + 1}</PartNumber><ETag>${Bun.escapeHTML(etag)}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
    await this.#retry(() =>
      this.#requests.send({ method: "POST", key: this.#key, query: { uploadId: this.#id }, body }),
    );
  }

  /** Has the bucket forget the parts. */
  async abort(): Promise<void> {
    await Promise.allSettled(this.#underWay); // one that comes later would stay
    await this.#retry(() => forgetUpload(this.#requests, { key: this.#key, id: this.#id }));
  }
}

/** An upload that has neither been completed nor aborted. */
export interface OpenUpload {
  readonly key: string;
  readonly id: string;
  readonly begunAt: Date;
}

/** Lists the first of the uploads below a prefix that were never ended: 1000 at most. */
export async function listUploads(requests: ObjectRequests, prefix: string): Promise<OpenUpload[]> {
  const text = await askForUploads(requests, prefix);
  return Array.from(text.matchAll(/<Upload>[^]*?<\/Upload>/g), ([upload]) => ({
    key: readElement(upload, "Key"),
    id: readElement(upload, "UploadId"),
    begunAt: new Date(readElement(upload, "Initiated")),
  }));
}

/** Some servers, such as rclone's, have no list where there is nothing to be listed. */
async function askForUploads(requests: ObjectRequests, prefix: string): Promise<string> {
  try {
    return (await requests.send({ method: "GET", key: "", query: { uploads: "", prefix } })).text;
  } catch (error) {
    if (isNoSuchUpload(error)) return "";
    throw error;
  }
}

/** Has the bucket forget what has been sent for an upload, unless it has: another process, or a try whose answer was lost. */
export async function forgetUpload(
  requests: ObjectRequests,
  { key, id }: Pick<OpenUpload, "key" | "id">,
): Promise<void> {
  try {
    await requests.send({ method: "DELETE", key, query: { uploadId: id } });
  } catch (error) {
    if (!isNoSuchUpload(error)) throw error;
  }
}

function isNoSuchUpload(error: unknown): boolean {
  return error instanceof Error && error.message.includes("NoSuchUpload");
}

/** Of what S3 answers: keys of ours have nothing that XML would escape, but their prefix may. */
function readElement(text: string, name: string): string {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? "";
  return found
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}
