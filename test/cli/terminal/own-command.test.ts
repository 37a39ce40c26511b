import { expect, test } from "bun:test";
import { toOwnCommand } from "../../../src/cli/terminal/own-command.ts";

test.each([
  ["/usr/local/bin/xcore", "/usr/local/bin/xcore", "/srv/shop", "xcore"],
  ["/srv/shop/xcore", null, "/srv/shop", "./xcore"],
  ["/srv/shop/xcore", "/usr/local/bin/xcore", "/srv/shop", "./xcore"],
  ["/srv/xcore", null, "/srv/shop", "../xcore"],
  ["/srv/shop/xcore-linux-x64", null, "/srv/shop", "./xcore-linux-x64"],
  ["/opt/xcore", null, "/srv/customers/shop", "/opt/xcore"],
  ["/srv/Jane's shop/bin/xcore", null, "/srv", String.raw`'Jane'\''s shop/bin/xcore'`],
  [null, null, "/srv", "xcore"],
])("toOwnCommand() of %j, where the shell finds %j, from %s is %s", (executable, found, folder, command) => {
  expect(toOwnCommand(folder, { executable, which: () => found })).toBe(command);
});
