/** `explain --changes` as text: what changed, then each part of the path. */
import type { ChangeExplanation } from '../../core/explain/explain-change.ts';
import type { Paint } from '../tables/paint.ts';
import { wrapped } from './wrapped.ts';

export function printChange(
  service: string,
  { title, parts }: ChangeExplanation,
  { width, paint }: { readonly width: number; readonly paint: Paint },
): string {
  const lines = parts.flatMap(({ name, sentences }) => [
    '',
    paint('heading', name),
    ...sentences.flatMap((sentence) => wrapped(sentence, width, 2)),
  ]);
  return `${[...wrapped(`${service}: ${title}`, width), ...lines].join('\n')}\n`;
}
