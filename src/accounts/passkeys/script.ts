import file from "../../../templates/ui/passkeys.js" with { type: "file" };

const NOTHING_NEW = 304;

/** Answers with the script that pages ask browsers for passkeys with. They look for another one each time. */
export async function answerScript(request: Request): Promise<Response> {
  const bytes = await readScript();
  const headers = {
    "content-type": "text/javascript;charset=utf-8",
    "cache-control": "no-cache",
    etag: `"${Bun.hash(bytes).toString(36)}"`,
  };
  const isKnown = request.headers.get("if-none-match") === headers.etag;
  return isKnown ? new Response(null, { status: NOTHING_NEW, headers }) : new Response(bytes, { headers });
}

/** In the executable it is compressed. */
async function readScript(): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await Bun.file(file).bytes();
  return file.endsWith(".gz") ? Bun.gunzipSync(bytes) : bytes;
}
