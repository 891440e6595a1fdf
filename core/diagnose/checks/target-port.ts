/** The port of a pod that a Service's port is DNATed to (k8s.io/endpointslice utils.go FindPort). */
import type { PodFacts } from '../../api/cluster-facts.ts';
import type { ServicePortStatus } from '../../api/service-trace.ts';

/** A name of a container port, or undefined where the target port is a number. */
export function targetPortName({ targetPort }: ServicePortStatus): string | undefined {
  return targetPort === undefined || /^\d+$/.test(targetPort) ? undefined : targetPort;
}

/** Undefined where no container of the pod has a port of that name and protocol: then the pod is not an endpoint of the Service's port. */
export function targetPortOf(pod: PodFacts, servicePort: ServicePortStatus): number | undefined {
  const name = targetPortName(servicePort);
  if (name === undefined) return Number(servicePort.targetPort ?? servicePort.port);
  return containerPorts(pod).find((port) => port.name === name && port.protocol === servicePort.protocol)?.port;
}

export function containerPorts({ containers }: PodFacts): PodFacts['containers'][number]['ports'] {
  return containers.flatMap(({ ports }) => ports);
}

/** `http 80/TCP`, `80/TCP` */
export function servicePortText({ name, port, protocol }: ServicePortStatus): string {
  return `${name === undefined || name === '' ? '' : `${name} `}${port}/${protocol}`;
}

/** `web 8080/TCP` for each port that a pod's containers declare; `no port` where they declare none. */
export function declaredPortsText(pod: PodFacts): string {
  return (
    containerPorts(pod)
      .map(({ name, port, protocol }) => `${name === undefined ? '' : `${name} `}${port}/${protocol}`)
      .join(', ') || 'no port'
  );
}
