import { describe, expect, it } from 'vitest';
import { parseServiceList, ServiceListError } from '../../../core/api/service-list.ts';

const service = {
  kind: 'Service',
  metadata: { namespace: 'shop', name: 'auth' },
  spec: {
    clusterIP: '10.96.0.10',
    clusterIPs: ['10.96.0.10', 'FD00:96::A'],
    externalIPs: ['203.0.113.5'],
    ports: [
      { name: 'http', port: 80, nodePort: 30080, protocol: 'TCP' },
      { port: 53, protocol: 'UDP' },
    ],
  },
  status: { loadBalancer: { ingress: [{ ip: '198.51.100.1' }, { hostname: 'lb.example.org' }] } },
};
const headless = {
  kind: 'Service',
  metadata: { namespace: 'shop', name: 'db' },
  spec: { clusterIP: 'None', clusterIPs: ['None'] },
};
const slice = {
  kind: 'EndpointSlice',
  metadata: { namespace: 'shop', name: 'auth-1' },
  endpoints: [
    { addresses: ['10.244.1.1'], targetRef: { kind: 'Pod', namespace: 'shop', name: 'auth-x' } },
    { addresses: ['fd00:1::0001'], targetRef: { kind: 'Pod', name: 'auth-x' } },
    { addresses: ['192.0.2.1'] },
  ],
};
const text = (...items: unknown[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

describe('parseServiceList', () => {
  const names = parseServiceList(
    text(service, headless, slice, { kind: 'EndpointSlice', metadata: { namespace: 'a', name: 'b' }, endpoints: null }),
  );

  it.each([
    ['10.96.0.10', 80, 'TCP', 'shop/auth:http'],
    ['fd00:96::a', 80, 'TCP', 'shop/auth:http'],
    ['203.0.113.5', 80, 'TCP', 'shop/auth:http'],
    ['198.51.100.1', 53, 'UDP', 'shop/auth'],
    ['10.96.0.10', 53, 'TCP', undefined],
    ['10.96.0.10', 81, 'TCP', undefined],
    ['10.96.0.11', 80, 'TCP', undefined],
  ] as const)('names the Service at %s port %s/%s', (address, port, protocol, expected) => {
    expect(names.serviceAt(address, port, protocol, false)).toBe(expected);
  });

  it('names a NodePort where the packet is taken, and pods by their addresses', () => {
    expect(names.serviceAt('172.30.0.11', 30080, 'TCP', true)).toBe('shop/auth:http');
    expect(names.serviceAt('172.30.0.11', 30080, 'TCP', false)).toBeUndefined();
    expect(names.podAt('10.244.1.1')).toBe('shop/auth-x');
    expect(names.podAt('fd00:1::1')).toBe('shop/auth-x');
    expect(names.podAt('192.0.2.1')).toBeUndefined();
  });

  it.each([
    ['no JSON', 'NAME TYPE', 'it is not whole JSON'],
    ['one object', JSON.stringify(service), 'it is not a list of objects'],
    ['a list without Services', text(slice), 'it lists no Service'],
    ['a Service without a name', text({ ...service, metadata: {} }), 'item 1, Service: metadata.namespace'],
    [
      'an endpoint without addresses',
      text(service, { ...slice, endpoints: [{}] }),
      'item 2, EndpointSlice: endpoints.0.addresses',
    ],
  ])('refuses %s', (_name, list, message) => {
    expect(() => parseServiceList(list)).toThrow(ServiceListError);
    expect(() => parseServiceList(list)).toThrow(message);
    expect(() => parseServiceList(list)).toThrow('give what kubectl get services,endpointslices -A -o json printed');
  });
});
