/** `kubectl svctrace version`: needs no cluster. */
import { stringify } from 'yaml';
import { serviceTraceGroup, serviceTraceVersion } from '../core/service-trace.ts';
import type { Io } from './io.ts';
import type { VersionRequest } from './request.ts';
import { version } from './version.ts';

export function runVersion({ output }: VersionRequest, io: Io): number {
  const report = { version, apiVersion: `${serviceTraceGroup}/${serviceTraceVersion}`, node: process.version, platform: `${process.platform}/${process.arch}` };
  if (output === 'json') io.stdout.write(`${JSON.stringify(report, undefined, 4)}\n`);
  else if (output === 'yaml') io.stdout.write(stringify(report));
  else io.stdout.write(`kubectl svctrace ${report.version} (${report.apiVersion}, node ${report.node}, ${report.platform})\n`);
  return 0;
}
