import { expect, it } from 'vitest';
import { apiRequestOf } from '../../operator/api-requests.ts';

it.each([
  ['GET', '/api/v1/nodes?resourceVersion=0', 'list nodes'],
  ['GET', '/api/v1/nodes/node-a', 'get nodes'],
  ['GET', '/api/v1/namespaces/shop/services/auth', 'get services'],
  ['GET', '/api/v1/namespaces/shop/services', 'list services'],
  ['GET', '/api/v1/services?watch=true&resourceVersion=7', 'watch services'],
  ['GET', '/api/v1/namespaces/svctrace-system/pods?watch=1', 'watch pods'],
  ['POST', '/api/v1/namespaces/svctrace-system/pods', 'create pods'],
  ['DELETE', '/api/v1/namespaces/svctrace-system/pods/a', 'delete pods'],
  ['DELETE', '/api/v1/namespaces/svctrace-system/pods', 'deletecollection pods'],
  ['GET', '/api/v1/namespaces/svctrace-system/pods/a/exec?command=x&stdin=true', 'connect pods/exec'],
  ['POST', '/api/v1/namespaces/svctrace-system/pods/a/exec', 'connect pods/exec'],
  ['GET', '/api/v1/namespaces/shop', 'get namespaces'],
  ['GET', '/api/v1/namespaces', 'list namespaces'],
  [
    'PATCH',
    '/apis/svctrace.io/v1alpha1/namespaces/shop/servicetraces/a/status',
    'patch servicetraces.svctrace.io/status',
  ],
  ['PUT', '/apis/coordination.k8s.io/v1/namespaces/a/leases/b', 'update leases.coordination.k8s.io'],
  [
    'GET',
    '/apis/discovery.k8s.io/v1/namespaces/a/endpointslices?labelSelector=x',
    'list endpointslices.discovery.k8s.io',
  ],
  ['POST', '/apis/authentication.k8s.io/v1/tokenreviews', 'create tokenreviews.authentication.k8s.io'],
  ['POST', '/apis/events.k8s.io/v1/namespaces/namespaces/events', 'create events.events.k8s.io'],
  ['GET', '/version', 'other other'],
  ['GET', '/apis/a', 'other other'],
  ['GET', '/api/v1/%2e%2e/', 'other other'],
  ['BREW', '/api/v1/pods/a', 'other pods'],
])('counts %s %s as %s', (method, path, expected) => {
  const { verb, resource } = apiRequestOf(method, path);
  expect(`${verb} ${resource}`).toBe(expected);
});
