import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { S3Settings } from "../../src/storage/s3/requests.ts";

/** What opens the bucket. */
export const KEY = { access_key_id: "xcore", secret_access_key: "a secret of the tests" };

/** rclone serving a bucket over the API of S3, which checks each signature. */
export class Bucket implements AsyncDisposable {
  readonly url: string;
  readonly #folder: string;
  readonly #child: Bun.Subprocess;

  private constructor(url: string, folder: string, child: Bun.Subprocess) {
    this.url = url;
    this.#folder = folder;
    this.#child = child;
  }

  /** @param folder is what it keeps its objects below */
  static async serve(rclone: string, folder: string): Promise<Bucket> {
    await mkdir(join(folder, "files"));
    const command = [rclone, "serve", "s3", "--addr", "127.0.0.1:0", "--vfs-cache-mode", "off", folder];
    const env = { ...process.env, RCLONE_AUTH_KEY: `"${KEY.access_key_id},${KEY.secret_access_key}"` };
    const child = Bun.spawn(command, { stdout: "ignore", stderr: "pipe", env });
    const url = await readUrl(child.stderr);
    return new Bucket(url, folder, child);
  }

  /** What `storage.s3` has to be; the server may be behind another address. */
  settings(endpoint = this.url): S3Settings {
    return { ...KEY, endpoint, bucket: "files", region: "us-east-1", prefix: "" };
  }

  /** All that it keeps on its disk, parts of objects too. */
  contents(): Promise<string[]> {
    return Array.fromAsync(new Bun.Glob("**/*").scan({ cwd: join(this.#folder, "files"), dot: true }));
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

/** Goes on reading: rclone ends when nobody takes what it says. */
function readUrl(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const read = async (): Promise<void> => {
    let said = "";
    for await (const text of output.pipeThrough(new TextDecoderStream())) {
      said += text;
      const url = /\[(http:\/\/127\.0\.0\.1:\d+)\/?\]/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    }
    reject(new Error(`rclone doesn't serve: ${said}`));
  };
  void read();
  return promise;
}
