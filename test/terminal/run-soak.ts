/** `npm run build && npm run soak`: 30 minutes of live updates; `-- --minutes 5` for another time. Fails where memory grows by 10 MB. */
import { fileURLToPath } from 'node:url';
import { growthMegabytes } from './soak-growth.ts';
import { soak } from './soak.ts';

const at = process.argv.indexOf('--minutes');
const minutes = at === -1 ? 30 : Number(process.argv[at + 1]);
if (!(minutes > 0)) throw new Error('--minutes takes a number of minutes, such as 5');
process.stdout.write('seconds   results   heap (MB)   listeners\n');
const { samples } = await soak(
  fileURLToPath(new URL('../../dist/kubectl-svctrace.mjs', import.meta.url)),
  minutes * 60,
  ({ atSeconds, results, heapMegabytes, listeners }) => {
    process.stdout.write(
      `${atSeconds.toFixed(0).padStart(7)}${String(results).padStart(10)}${heapMegabytes.toFixed(1).padStart(12)}${String(listeners).padStart(12)}\n`,
    );
  },
);
const growth = growthMegabytes(samples);
const listeners = (samples.at(-1)?.listeners ?? NaN) - (samples[2]?.listeners ?? NaN);
process.stdout.write(
  `growth from the warm half to the end: ${growth.toFixed(1)} MB of heap, ${String(listeners)} listeners\n`,
);
if (!(growth < 10) || listeners !== 0) process.exitCode = 1;
