/** A node whose clock is wrong. All nodes share this machine's clock, so what is set wrong is the clock that programs in the probe's image see. */
import { buildImage, type ImageSpec } from '../../cluster/images.ts';
import { debianTriplet, probeSpec } from '../../setup/images.ts';
import type { FaultGroup } from '../fault.ts';
import type { Place } from '../place.ts';
import { seenFromOne } from './node-settings.ts';

const node = 'node-c';

/** The library of the package libfaketime. */
const faketime = `/usr/lib/${debianTriplet()}/faketime/libfaketimeMT.so.1`;

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
      ...seenFromOne,
      node,
      expected: [`LAT-CLOCK ${node}`],
      inject: async (place) => {
        const spec = await probeSpec();
        const library = '/usr/lib/libfaketime.so';
        await give(place, {
          ...spec,
          files: [...spec.files, { path: library, from: faketime, mode: 0o644 }],
          env: [...(spec.env ?? []), `LD_PRELOAD=${library}`, 'FAKETIME=+30s', 'DONT_FAKE_MONOTONIC=1'],
        });
        return async () => give(place, spec);
      },
    },
  ],
};
