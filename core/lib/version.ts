/** Which version this is. */

/** Of package.json; `npm run generate` writes it, here and into the names of images under config/. */
export const release = '0.1.0';

/** Set by the bundling (scripts/build.ts). */
declare const SVCTRACE_BUNDLED: boolean | undefined;

/** `development` where the sources run as they are. */
export const version = typeof SVCTRACE_BUNDLED === 'undefined' ? 'development' : release;
