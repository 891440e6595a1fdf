/** Two minutes of live updates. `npm run soak` takes longer. */
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { growthMegabytes } from './soak-growth.ts';
import { soak } from './soak.ts';
import { needTmux } from '../support/plugin-in-terminal.ts';

it('the heap does not grow, nor what is listened to, and the screen is right', async (context) => {
  needTmux(context);
  const { samples, screen, packets } = await soak(join(inject('plugin'), 'kubectl-svctrace.mjs'), 120);
  expect(samples.length).toBeGreaterThanOrEqual(10);
  expect(growthMegabytes(samples)).toBeLessThan(10);
  const [first, last] = [samples[2], samples.at(-1)];
  expect(last?.listeners).toBe(first?.listeners);
  const lines = screen.split('\n');
  expect(lines[0]).toMatch(
    /^auth-service in default {2}ClusterIP 10\.96\.216\.123 +▲ partial, 11\d\/120 nodes, \ds ago$/,
  );
  expect(screen).toContain('▸ node-000');
  expect(screen).toContain(`${String(packets)} packets`);
  expect(lines.at(-1)).toContain('q quit');
  expect(screen.match(/node-\d{3} /g)?.length).toBeGreaterThanOrEqual(8);
}, 240_000);
