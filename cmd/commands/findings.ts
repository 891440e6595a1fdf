/** `kubectl svctrace findings [ID]`: every kind of finding with its meaning; needs no cluster. */
import { catalogue } from '../../core/diagnose/catalogue.ts';
import { severityText, type FindingKind } from '../../core/diagnose/checks/finding.ts';
import { notLookedFor } from '../../core/diagnose/not-looked-for.ts';
import { NotFoundError } from '../cli/errors.ts';
import { exitStatus } from '../cli/exit-status.ts';
import { widthOf, type Io } from '../cli/io.ts';
import { writeResult } from '../cli/output.ts';
import { printColumns } from '../tables/columns.ts';
import { createPaint, wantsColor } from '../tables/paint.ts';
import type { FindingsRequest } from '../cli/request.ts';
import { cell } from '../tables/tone.ts';
import { severityTones } from '../tables/words.ts';
import { nearNames, nearText } from '../../core/lib/near-names.ts';

/** @throws NotFoundError where there is no finding of the asked id */
export function runFindings({ id, output, color }: FindingsRequest, io: Io): number {
  const kinds = id === undefined ? catalogue : [kindOf(id)];
  const meanings = kinds.map(({ find: _find, ...meaning }) => meaning);
  writeResult(io, output, id === undefined ? meanings : meanings[0], () => {
    const paint = createPaint(wantsColor(color, io.stdout.isTTY === true, io.env));
    const lines =
      id === undefined
        ? printColumns(
            [{ title: 'ID' }, { title: 'SEVERITY' }, { title: 'REPORTED WHEN', least: 40 }],
            kinds.map(({ id: each, severity, condition }) => [
              cell(each),
              cell(severity, severityTones[severity]),
              cell(condition),
            ]),
            { width: widthOf(io), paint },
          )
        : kinds.flatMap(describe);
    return lines.map((line) => `${line}\n`).join('');
  });
  return exitStatus.ok;
}

function kindOf(id: string): FindingKind {
  const kind = catalogue.find((each) => each.id === id.toUpperCase());
  if (kind !== undefined) return kind;
  const absent = notLookedFor.find((each) => each.id === id.toUpperCase());
  if (absent !== undefined) throw new NotFoundError(`${absent.id} is not looked for. ${absent.what} ${absent.why}`);
  const near = nearNames(
    id.toUpperCase(),
    catalogue.map((each) => each.id),
  );
  throw new NotFoundError(`There is no finding "${id}"${nearText(near)}; kubectl svctrace findings lists all.`);
}

function describe({ condition, notReported, source, ...kind }: FindingKind): string[] {
  return [
    `${kind.id} (${severityText(kind)})`,
    `Reported when: ${condition}`,
    ...(notReported === undefined ? [] : [`Not reported:  ${notReported}`]),
    `Source:        ${source}`,
  ];
}
