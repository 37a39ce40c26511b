import { Type } from "@sinclair/typebox";
import { byteSize, section } from "./types.ts";

/** The keys of a bucket: of `storage.s3` and `backups.s3`. */
export const S3Keys = section("A bucket of S3, or of a server that speaks its API", {
  endpoint: Type.Union(
    [
      Type.Null(),
      Type.String({ pattern: "^https?://[^\\s/?#@]+/?$", title: 'a URL such as "https://s3.example.com"' }),
    ],
    { default: null, description: "Where the server is. Without it, Amazon's of the region" },
  ),
  bucket: Type.String({
    pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    title: 'the name of a bucket, such as "acme-files"',
    description: "The bucket; it has to be there",
  }),
  region: Type.String({ minLength: 1, default: "us-east-1", description: "Region of the bucket" }),
  access_key_id: Type.String({ minLength: 1, description: "Key id of the account" }),
  secret_access_key: Type.String({
    minLength: 1,
    description: "Secret of the account: `${S3_SECRET_ACCESS_KEY}` takes it from the environment",
  }),
  prefix: Type.String({
    pattern: "^([A-Za-z0-9_.-]+/)*$",
    title: 'a path that ends with "/", such as "xcore/", or ""',
    default: "",
    description: "What the names of all objects begin with, where others use the bucket too",
  }),
});

/** The keys of `storage`: where files are kept that people upload. */
export const StorageKeys = section("Files that are uploaded", {
  backend: Type.Union([Type.Literal("local"), Type.Literal("s3")], {
    default: "local",
    description: "Where they are kept: `local` in a folder, `s3` in a bucket. Another one needs a restart",
  }),
  directory: Type.String({
    minLength: 1,
    default: "data/files",
    description: "Folder of the files with `local`; instances on several machines need one that they share",
  }),
  s3: Type.Union([Type.Null(), S3Keys], {
    default: null,
    description:
      "The bucket with `s3`: `endpoint`, `bucket`, `region`, `access_key_id`, `secret_access_key`, `prefix`",
  }),
  max_size: byteSize(
    "25mb",
    "Largest file that is taken. Routes that take files take bodies up to it, also where `server.body_limit` is smaller",
  ),
});
