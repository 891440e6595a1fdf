/** Set by the bundling (scripts/build.ts). */
declare const SVCTRACE_VERSION: string | undefined;

/** The version of the bundle; `development` where the sources run as they are. */
export const version = typeof SVCTRACE_VERSION === 'undefined' ? 'development' : SVCTRACE_VERSION;

/** The image of the probe of this version, as config/default names it. */
export const defaultProbeImage = `svctrace/probe:v${version === 'development' ? '0.1.0' : version}`;

/** Where probes run that the plugin starts itself. */
export const defaultProbeNamespace = 'kube-system';
