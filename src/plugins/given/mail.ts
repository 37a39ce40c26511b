import type { Mail, MailOwner } from "../../mail/mail.ts";
import type * as sdk from "../../sdk/xcore.ts";

/** Creates the `mail` of one generation of a plugin. @param render renders a mail from its templates */
export function createPluginMail(
  plugin: string,
  mail: Pick<Mail, "sendAs">,
  render: MailOwner["render"],
): sdk.PluginMail {
  const owner: MailOwner = { plugin, render };
  return {
    async send(message, options) {
      const [id] = await mail.sendAs(owner, [message], options);
      return id as string;
    },
    async sendMany(messages, options) {
      if (Array.isArray(messages)) return mail.sendAs(owner, messages, options);
      throw new TypeError("Cannot send mails: give them as a list of { to, template, data }");
    },
  };
}
