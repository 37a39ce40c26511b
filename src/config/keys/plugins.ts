import { Type } from "@sinclair/typebox";
import { byteSize, section } from "./types.ts";

const AnyKey = Type.String({ pattern: "^.*$" });
const PLUGIN_NAME = {
  pattern: "^[a-z][a-z0-9_]{0,63}$",
  title: "a plugin name: small letters, digits and underscores, starting with a letter",
};

/** The keys below `plugins`. */
export const PluginKeys = section("Plugins", {
  directory: Type.String({
    minLength: 1,
    default: "plugins",
    description: "Folder whose subfolders and files are loaded as plugins",
  }),
  watch: Type.Boolean({
    default: true,
    description: "Load, swap and unload plugins as their files change",
  }),
  remote: Type.Record(
    AnyKey,
    Type.Object(
      {
        url: Type.Optional(
          Type.String({
            minLength: 1,
            description: "Where it is: `https://…`, `npm:name@1.2.3` or a path",
          }),
        ),
        urls: Type.Optional(
          Type.Array(Type.String({ minLength: 1 }), {
            minItems: 1,
            maxItems: 16,
            description: "Where it is, several mirrors: the next is asked when one fails",
          }),
        ),
        integrity: Type.Optional(
          Type.String({
            pattern: "^sha256-[A-Za-z0-9+/]{43}=$",
            title: 'a digest such as "sha256-…", which `xcore plugin add` writes',
            description: "Digest of all its files: nothing else is loaded",
          }),
        ),
        active: Type.Optional(Type.Boolean({ default: true, description: "Whether it is loaded" })),
      },
      { additionalProperties: false },
    ),
    {
      propertyNames: PLUGIN_NAME,
      default: {},
      description:
        "Plugins from elsewhere by name, each pinned by a digest; see [remote plugins](remote-plugins.md)",
    },
  ),
  offline: Type.Boolean({
    default: false,
    description: "Fetch nothing: plugins come from the cache and `vendor/` alone, as with `--offline`",
  }),
  trusted_keys: Type.Array(
    Type.String({
      pattern: "^ed25519:[A-Za-z0-9+/]{43}=$",
      title: 'a public key such as "ed25519:…", which `xcore plugin key` prints',
    }),
    {
      default: [],
      description: "Public keys of which one must have signed each remote plugin. `[]` takes unsigned ones",
    },
  ),
  fetch: section("Fetching of remote plugins", {
    timeout_seconds: Type.Integer({
      minimum: 1,
      maximum: 3600,
      default: 30,
      description: "How long one file may take, in seconds",
    }),
    size_limit: byteSize("64mb", "Largest plugin accepted, all of its files together, unpacked"),
    max_redirects: Type.Integer({
      minimum: 0,
      maximum: 20,
      default: 5,
      description: "How often a host may redirect one request",
    }),
    allow_hosts: Type.Array(
      Type.String({
        pattern: "^[a-z0-9.-]+(:[0-9]{1,5})?$|^\\[[0-9a-f:.]+\\](:[0-9]{1,5})?$",
        title: 'a host in small letters such as "plugins.intern" or "10.0.0.5:8443"',
      }),
      {
        default: [],
        description: "Hosts with private addresses that redirects and imports may lead to all the same",
      },
    ),
  }),
  settings: Type.Record(AnyKey, Type.Record(AnyKey, Type.Unknown()), {
    propertyNames: PLUGIN_NAME,
    default: {},
    description: "Settings of each plugin by its name; they override `config` of its `plugin.json`",
  }),
});
