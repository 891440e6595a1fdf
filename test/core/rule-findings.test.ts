/** What real kube-proxies wrote is healthy in every release and mode; each single change of it gives its own finding. */
import { describe, expect, it } from 'vitest';
import { releases } from '../proxy/kube-proxy-releases.ts';
import { probe } from './dumped-node.ts';
import { findingsOf, recordedNode, recordedServices, requestOf, written } from './recorded-proxy.ts';

describe.each(written)('what kube-proxy wrote, %s', (kind) => {
  it.each(releases.map(({ version }) => version))('of %s is healthy', { timeout: 120_000 }, async (version) => {
    const services = recordedServices(version);
    const report = await probe(recordedNode(version, kind), services.map(requestOf));
    // Some of the Services have no endpoint on purpose, and none has a selector.
    const found = services.flatMap((desired) =>
      findingsOf(desired, [report]).filter(({ severity, id }) => severity !== 'info' && !id.startsWith('EPS-') && id !== 'SVC-NO-SELECTOR').map(({ id, message, evidence }) => `${desired.name}: ${id} ${message} ${evidence.join(' | ')}`),
    );
    expect(found).toEqual([]);
  });
});
