import file from "../../../templates/ui/passkeys.js" with { type: "file" };
import { Content, readAsset } from "../../web/content/content.ts";

let script: Promise<Content> | null = null;

/** Answers with the script that pages ask browsers for passkeys with. They look for another one each time. */
export async function answerScript(request: Request): Promise<Response> {
  script ??= readAsset(file).then(
    (text) =>
      new Content(text, { "content-type": "text/javascript;charset=utf-8", "cache-control": "no-cache" }),
  );
  return (await script).answer(request);
}
