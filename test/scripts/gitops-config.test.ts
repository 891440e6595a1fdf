/** The health check of Argo CD, run as Argo CD runs it: a Lua program that gets the object as `obj`. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LuaFactory, type LuaEngine } from 'wasmoon';
import { parse } from 'yaml';
import * as z from 'zod';
import type { Condition, ServiceTrace, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { statusInputOf } from '../../core/status/input.ts';
import { notReady } from '../../core/status/not-ready.ts';
import { progressStatus } from '../../core/status/progress.ts';
import { buildStatus } from '../../core/status/status.ts';
import { parseBundle } from '../../core/wire/bundle.ts';

const recorded = parseBundle(readFileSync(new URL('../fixtures/auth-service.svctrace', import.meta.url), 'utf8'));
const check = z
  .object({ data: z.object({ 'resource.customizations.health.svctrace.io_ServiceTrace': z.string() }) })
  .parse(parse(readFileSync(new URL('../../config/gitops/argocd_cm.yaml', import.meta.url), 'utf8'))).data[
  'resource.customizations.health.svctrace.io_ServiceTrace'
];
const healthSchema = z.object({ status: z.string(), message: z.string() });

let lua: LuaEngine;
beforeAll(async () => {
  lua = await new LuaFactory().createEngine();
});
afterAll(() => {
  lua.global.close();
});

async function healthOf(
  status: ServiceTraceStatus | undefined,
  rest: Partial<ServiceTrace['spec']> = {},
  generation = 1,
) {
  const trace = {
    metadata: { generation },
    spec: { ...recorded.spec, ...rest },
    ...(status === undefined ? {} : { status }),
  };
  // As a table of Lua, and not as an object of JavaScript.
  lua.global.set('source', JSON.stringify(trace));
  lua.global.set('parse', (text: string) => z.unknown().parse(JSON.parse(text)));
  return healthSchema.parse(await lua.doString(`obj = parse(source)\n${check}`));
}

const input = { ...statusInputOf(recorded), generation: 1 };
const status = buildStatus(input);
const withCondition = (type: Condition['type'], value: Condition['status'], message: string): ServiceTraceStatus => ({
  ...status,
  conditions: (status.conditions ?? []).map((each) =>
    each.type === type ? { ...each, status: value, message } : each,
  ),
});

it('is healthy where the Service is', async () => {
  expect(await healthOf(withCondition('Healthy', 'True', 'all is well'))).toEqual({
    status: 'Healthy',
    message: 'all is well',
  });
});

it('is degraded where a finding is an error, and where the trace could not be collected', async () => {
  expect(await healthOf(withCondition('Healthy', 'False', '1 finding'))).toEqual({
    status: 'Degraded',
    message: '1 finding',
  });
  const absent = buildStatus({ ...input, desired: undefined, answers: [] });
  expect(await healthOf(absent)).toMatchObject({
    status: 'Degraded',
    message: expect.stringContaining('there is no Service'),
  });
  expect(await healthOf(notReady(status, 'TooManyWatches', 'too many', '2026-01-01T00:00:00Z'))).toEqual({
    status: 'Degraded',
    message: 'too many',
  });
});

it('is never healthy where something is not known', async () => {
  expect(await healthOf(withCondition('Healthy', 'Unknown', 'not all is known'))).toEqual({
    status: 'Unknown',
    message: 'not all is known',
  });
  expect(
    (await healthOf({ ...status, conditions: (status.conditions ?? []).filter(({ type }) => type !== 'Healthy') }))
      .status,
  ).toBe('Unknown');
});

it('is progressing until this generation is collected', async () => {
  expect((await healthOf(undefined)).status).toBe('Progressing');
  expect((await healthOf(status, {}, 2)).status).toBe('Progressing');
  const { desired, answers } = recorded;
  const waiting = answers.map(({ node }) => ({ node, state: 'Waiting' as const, reason: 'Asking', message: 'asked' }));
  const progress = progressStatus({
    generation: 1,
    desired,
    answers: waiting,
    previous: undefined,
    now: '2026-01-01T00:00:00Z',
  });
  expect((await healthOf(progress)).status).toBe('Progressing');
});

it('is suspended where the trace is', async () => {
  expect((await healthOf(status, { suspend: true })).status).toBe('Suspended');
});
