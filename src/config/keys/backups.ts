import { Type } from "@sinclair/typebox";
import { section } from "./types.ts";
import { S3Keys } from "./storage.ts";

/** The keys of `backups`. */
export const BackupKeys = section("Backups that the server makes by itself", {
  schedule: Type.Union(
    [
      Type.Null(),
      Type.String({
        pattern: "^\\s*(@\\w+|\\S+(\\s+\\S+){4,5})\\s*$",
        title: 'a cron expression such as "30 2 * * *", in UTC',
      }),
    ],
    {
      default: null,
      description:
        'When one is made, as a cron expression in UTC: `"30 2 * * *"` is each night. Of several instances one makes it. Another one needs a restart',
    },
  ),
  keep: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 14,
    description:
      "How many scheduled ones are kept, and as many of those made before migrations; older ones go",
  }),
  directory: Type.String({
    minLength: 1,
    default: "data/backups",
    description: "Folder of the backups that nobody names, also of `xcore db backup`",
  }),
  before_migration: Type.Boolean({
    default: true,
    description:
      "Back up before a start, or `xcore db migrate`, migrates tables that have been there. What can't be backed up isn't migrated",
  }),
  s3: Type.Union([Type.Null(), S3Keys], {
    default: null,
    description:
      "A bucket that scheduled backups are copied to: `endpoint`, `bucket`, `region`, `access_key_id`, `secret_access_key`, `prefix`",
  }),
});
