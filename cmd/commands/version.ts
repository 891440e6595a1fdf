/** `kubectl svctrace version`: needs no cluster. */
import { serviceTraceGroup, serviceTraceVersion } from '../../core/api/service-trace.ts';
import type { Io } from '../cli/io.ts';
import { writeResult } from '../cli/output.ts';
import type { VersionRequest } from '../cli/request.ts';
import { version } from '../../core/lib/version.ts';

export function runVersion({ output }: VersionRequest, io: Io): number {
  const report = {
    version,
    apiVersion: `${serviceTraceGroup}/${serviceTraceVersion}`,
    node: process.version,
    platform: `${process.platform}/${process.arch}`,
  };
  writeResult(
    io,
    output,
    report,
    () => `kubectl svctrace ${report.version} (${report.apiVersion}, node ${report.node}, ${report.platform})\n`,
  );
  return 0;
}
