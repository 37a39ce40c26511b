/**
 * SQLite asks a function of ours, every some thousand steps of a statement, whether it may go on; but bun:sqlite has no
 * way to say which. It is said by an extension of SQLite, which gets the connection that loads it, and SQLite's functions.
 */
export const STATEMENT_LIMITS = `
#ifdef __linux__
extern int memfd_create(const char *name, unsigned int flags);
#endif

static int *next;

static int is_over(int *slot) {
  i64 *began = (i64 *)(slot + 4);
  if (slot[0] != slot[2]) {
    slot[2] = slot[0];
    *began = now();
    return 0;
  }
  return slot[1] != 0 && now() - *began >= slot[1];
}

static int load(void *connection, char **message, void **sqlite) {
  void (*progress_handler)(void *, int, int (*)(int *), void *) = sqlite[75];
  if (!next) return 1;
  progress_handler(connection, 5000, is_over, next);
  next = 0;
  return 0;
}

void *limit_entry(void) { return load; }
void limit_next(int *slot) { next = slot; }
int create_file(void) {
#ifdef __linux__
  return memfd_create("xcore", 1);
#else
  return -1;
#endif
}
`;
