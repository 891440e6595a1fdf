/** Until when a trace is wanted. */

/** A viewer renews this time, RFC 3339; past it the viewer is gone, and the trace it made goes too. */
export const expiresAnnotation = 'svctrace.io/expires-at';
