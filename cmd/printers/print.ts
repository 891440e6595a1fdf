/** One trace in the format that the user chose. */
import { serviceTraceGroup, type ServiceTrace } from '../../core/api/service-trace.ts';
import { jsonText, yamlText } from '../cli/output.ts';
import type { TextFormat } from '../cli/request.ts';
import { createPaint } from '../tables/paint.ts';
import { printTable } from './table.ts';
import { visible, visibleText } from '../../core/lib/visible.ts';

export interface PrintOptions {
  readonly width: number;
  readonly useColor: boolean;
}

export function printTrace(trace: ServiceTrace, format: TextFormat, { width, useColor }: PrintOptions): string {
  switch (format) {
    case 'table':
    case 'wide':
      return printTable(visible(trace), { width, paint: createPaint(useColor), isWide: format === 'wide' });
    case 'json':
      return jsonText(withoutManagedFields(trace));
    case 'yaml':
      return yamlText(withoutManagedFields(trace));
    case 'name':
      return `servicetrace.${serviceTraceGroup}/${visibleText(trace.metadata.name ?? '')}\n`;
  }
}

/** kubectl hides them too; apiVersion and kind come first. */
function withoutManagedFields({ apiVersion, kind, metadata, spec, status, ...rest }: ServiceTrace): object {
  const shown = Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== 'managedFields'));
  return { apiVersion, kind, metadata: shown, spec, ...(status === undefined ? {} : { status }), ...rest };
}
