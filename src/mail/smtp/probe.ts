import type { Config } from "../../config/schema.ts";
import { toRecipient } from "../contract/addresses.ts";
import type { RenderedMail } from "../../templates/templates.ts";
import { MailFailure, toMailFailure } from "./failures.ts";
import { Line } from "./line.ts";
import { composeMessage, toEndingStream } from "./message.ts";
import { describeTarget, type Target, toTarget } from "./target.ts";

/** What was found out of a mail server. */
export interface Probe {
  readonly server: string;
  readonly hasTls: boolean;
  /** Who has logged in; null for nobody. */
  readonly user: string | null;
}

/** Reads the settings; null where there is no server. @throws MailFailure */
function readTarget(settings: Config["mail"]): Target | null {
  try {
    return toTarget(settings);
  } catch (error) {
    throw new MailFailure((error as Error).message, { isOfServer: true, advice: "mend it in config.json" });
  }
}

/** Connects with the server and logs in; null where none is configured. @throws MailFailure */
export async function probeServer(settings: Config["mail"]): Promise<Probe | null> {
  const target = readTarget(settings);
  if (target === null) return null;
  const line = await Line.open(target);
  const found = toProbe(target, line);
  await line.quit();
  return found;
}

/** Sends a mail at once; null where no server is configured. @throws MailFailure, AppError validation_error */
export async function probeDelivery(
  settings: Config["mail"],
  { to, render }: { readonly to: string; readonly render: () => Promise<RenderedMail> },
): Promise<(Probe & { readonly response: string }) | null> {
  const recipient = toRecipient(to);
  const target = readTarget(settings);
  if (target === null) return null;
  const { from } = target;
  const message = await composeMessage({ ...(await render()), id: Bun.randomUUIDv7(), from, to: recipient });
  const line = await Line.open(target);
  try {
    const response = await line.send(
      { from: from.address, to: recipient, size: message.length },
      toEndingStream(message, async () => {}),
    );
    const found = toProbe(target, line);
    await line.quit();
    return { ...found, response };
  } catch (error) {
    throw toMailFailure(error, target);
  }
}

function toProbe(target: Target, { isSecure: hasTls }: Line): Probe {
  return { server: describeTarget(target), hasTls, user: target.login?.user ?? null };
}
