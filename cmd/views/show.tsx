import type { TraceSource } from '../source.ts';
export async function showLive(_source: TraceSource, _options: { useColor: boolean; signal: AbortSignal }): Promise<void> {}
