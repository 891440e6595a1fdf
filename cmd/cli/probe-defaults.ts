/** Which probe the plugin starts by itself, and where. */
import { release } from '../../core/lib/version.ts';

/** The image of the probe of this version, as config/default names it. */
export const defaultProbeImage = `svctrace/probe:v${release}`;

/** Where probes run that the plugin starts itself. */
export const defaultProbeNamespace = 'kube-system';
