/** What the system's codes mean to whoever has named a file. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "this user may not",
  EPERM: "this user may not",
  EROFS: "it can only be read there",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOENT: "there is no such file or folder",
  ENOTDIR: "a file stands where a folder should",
  EISDIR: "it is a folder, and no file",
  EEXIST: "something else has that name",
  ENOTEMPTY: "the folder isn't empty",
  ELOOP: "its links lead in a circle",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  EBUSY: "it is in use",
  ETXTBSY: "it runs",
  ENOEXEC: "it can't be run on this machine",
  EIO: "the disk fails",
};
/** What was tried, by the name of the system call. */
const ACTIONS: Readonly<Record<string, string>> = {
  access: "use",
  chmod: "set the mode of",
  chown: "set the owner of",
  copyfile: "copy",
  link: "link",
  lstat: "look at",
  mkdir: "make the folder",
  mkdtemp: "make the folder",
  open: "open",
  posix_spawn: "run",
  read: "read",
  readdir: "list",
  rename: "rename",
  rm: "delete",
  rmdir: "delete",
  scandir: "list",
  stat: "look at",
  statfs: "look at",
  unlink: "delete",
  write: "write",
};

/** Says in words what the system has refused to do with a file; null for any other error. */
export function describeSystemError(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const { code = "", syscall = "", path } = error as NodeJS.ErrnoException;
  const [action, reason] = [ACTIONS[syscall], REASONS[code]];
  if (action === undefined || reason === undefined) return null;
  return `Cannot ${action} ${path === undefined ? "a file" : JSON.stringify(path)}: ${reason} (${code})`;
}
