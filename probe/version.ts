/** Set by the bundling (scripts/build.ts). */
declare const SVCTRACE_VERSION: string | undefined;

/** The version of the bundle; `development` where the sources run as they are. */
export const version = typeof SVCTRACE_VERSION === 'undefined' ? 'development' : SVCTRACE_VERSION;
