/** How long a report may be. A probe needs no more of it: the checks of its records are loaded where they are read. */

/** A report larger than this, in bytes, is refused: no Service needs it, and the memory of operator and probe is small. */
export const maxReportBytes = 8 * 1024 * 1024;
