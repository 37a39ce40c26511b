/**
 * SHA-256, in hex, of all that this executable is made of, which says how it bundles; null from sources, which may change
 * while they run. The build puts the digest in the place of this file.
 */
export const executableDigest: string | null = null;

/** The commit of git that it was built of, with "+" where files differed from it; null where nobody knows. */
export const commit: string | null = null;
