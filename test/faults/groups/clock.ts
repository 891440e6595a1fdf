/** A node whose clock is wrong. All nodes share this machine's clock, so what is set wrong is the clock that programs in the probe's image see. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildImage, type ImageSpec } from '../../cluster/images.ts';
import { probeSpec } from '../../setup/images.ts';
import type { FaultGroup } from '../fault.ts';
import type { Place } from '../place.ts';
import { service } from '../workload.ts';

const own = 'clock-faults';
const node = 'node-c';

/** The library of the package libfaketime, where Debian puts it for this machine. */
function faketimeLibrary(): string {
  for (const folder of readdirSync('/usr/lib')) {
    const path = join('/usr/lib', folder, 'faketime');
    try {
      if (readdirSync(path).includes('libfaketimeMT.so.1')) return join(path, 'libfaketimeMT.so.1');
    } catch {
      continue;
    }
  }
  throw new Error('The fault of the clock needs the Debian package libfaketime.');
}

async function give(place: Place, spec: ImageSpec): Promise<void> {
  await place.cluster.loadImage(await buildImage(spec), [node]);
  await place.renewProbe(node);
}

export const clock: FaultGroup = {
  name: 'clock',
  graceSeconds: 0,
  faults: [
    {
      name: 'clock-ahead',
      does: `the clock that the probe's programs see is 30 s ahead (libfaketime in its image) (${node})`,
      service: own,
      objects: [service(own)],
      expected: [`LAT-CLOCK ${node}`],
      inject: async (place) => {
        const spec = await probeSpec();
        const library = '/usr/lib/libfaketime.so';
        await give(place, { ...spec, files: [...spec.files, { path: library, from: faketimeLibrary(), mode: 0o644 }], env: [...(spec.env ?? []), `LD_PRELOAD=${library}`, 'FAKETIME=+30s', 'DONT_FAKE_MONOTONIC=1'] });
        return async () => give(place, spec);
      },
    },
  ],
};
