/** A report as one HTML document: no script, nothing that it loads, readable on a screen, on a phone and on paper. */
import { alikeTable, alikeText } from '../tables/alike-endpoints.ts';
import { createHash } from 'node:crypto';
import { Fragment, type ReactElement, type ReactNode } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { hostPort } from '../../core/net/address.ts';
import { catalogue } from '../../core/diagnose/catalogue.ts';
import type { FamilyExplanation, RuleExplanation } from '../../core/explain/explanation.ts';
import type { PacketPath } from '../../core/explain/follow-client.ts';
import { plural } from '../../core/lib/plural.ts';
import type { ComparisonStatus, FindingStatus, ServiceTraceStatus, WalkStatus } from '../../core/api/service-trace.ts';
import { identicalNodesText } from '../tables/node-programs.ts';
import { pathsOf } from '../tables/path-table.ts';
import { visible } from '../../core/lib/visible.ts';
import { commandPrompt } from '../printers/table.ts';
import { factsOf, hooksText, ruleFacts, packetPathTitle, notKnown } from '../printers/explanation.ts';
import type { ProgramContent, ReportContent } from './report-content.ts';
import {
  comparisonSummary,
  comparisonTable,
  connectionsTable,
  conntrackEntries,
  conntrackSummary,
  costTable,
  endpointSlicesSummary,
  endpointSlicesTable,
  frontendLines,
  nodeReasons,
  nodesTable,
  omittedEntries,
  outlierLines,
  serviceFacts,
  targetLegends,
  targetsByNode,
  targetsSummed,
  verdictCell,
  type ResultTable,
} from '../tables/result-tables.ts';
import { marks, type Cell, type Tone } from '../tables/tone.ts';
import { pathText } from '../views/header-lines.ts';
import {
  ageText,
  conditionCell,
  noFindingCell,
  shareText,
  severityTones,
  omittedEntriesText,
} from '../tables/words.ts';
import { reportStyle } from './report-style.ts';

/** Tables with more rows are folded on a screen. */
const mostOpenRows = 40;
/** Cells of more letters are broken on paper where a line ends. */
const mostWholeLetters = 14;
/** With more nodes, targets have sums instead of a column for each node. */
const mostNodeColumns = 6;
/** Conntrack entries beyond these are counted only. */
const mostEntries = 500;

/** Everything that came from a cluster is text of an element here, or of the picture, which escapes its own. */
export function printReportPage(given: ReportContent): string {
  // The picture is markup, drawn of visible text.
  const content = { ...visible({ ...given, picture: '' }), picture: given.picture };
  return `<!doctype html>\n${renderToStaticMarkup(<Page content={content} />)}\n`;
}

function Page({ content }: { readonly content: ReportContent }): ReactElement {
  const { trace } = content;
  const status = trace.status ?? {};
  const name = trace.spec.serviceRef.name;
  const namespace = trace.metadata.namespace ?? 'default';
  const sections = sectionsOf(content, status);
  return (
    <html lang="en">
      <head>
        <meta charSet="utf-8" />
        <meta
          httpEquiv="Content-Security-Policy"
          content={`default-src 'none'; style-src 'sha256-${createHash('sha256').update(reportStyle).digest('base64')}'`}
        />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <meta name="generator" content={`kubectl svctrace ${content.writtenBy}`} />
        <title>{`${name} in ${namespace}: ${verdictCell(status).text}`}</title>
        <style dangerouslySetInnerHTML={{ __html: reportStyle }} />
      </head>
      <body>
        <Head content={content} status={status} name={name} namespace={namespace} />
        <nav aria-label="Sections">
          <ul>
            {sections.map(({ id, title }) => (
              <li key={id}>
                <a href={`#${id}`}>{title}</a>
              </li>
            ))}
          </ul>
        </nav>
        <main>
          {sections.map(({ id, title, body }) => (
            <section key={id} id={id} aria-labelledby={`${id}-title`}>
              <h2 id={`${id}-title`}>{title}</h2>
              {body}
            </section>
          ))}
        </main>
        <footer>
          <p>{`Written by kubectl svctrace ${content.writtenBy} at ${timeText(content.writtenAt)}, from what ${content.collectedBy} collected at ${timeText(status.collectedAt)}. It loads nothing and runs no script.`}</p>
        </footer>
      </body>
    </html>
  );
}

interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: ReactNode;
}

/** In the order of the table and the live view, with what is wrong first. */
function sectionsOf(content: ReportContent, status: ServiceTraceStatus): Section[] {
  const { trace, programs, clientPath, versions } = content;
  const { findings, nodes = [], walks = [], truncated = [] } = status;
  const connections = connectionsTable(status);
  return [
    {
      id: 'findings',
      title: `Findings${findings === undefined ? '' : ` (${String(findings.length)})`}`,
      body: <Findings status={status} />,
    },
    { id: 'picture', title: 'Picture', body: <Picture content={content} /> },
    ...(clientPath === undefined
      ? []
      : [
          {
            id: 'packet-path',
            title: `Packet path of ${clientPath.client}`,
            body: <PacketPaths packetPaths={clientPath.packetPaths} notProxied={status.service?.notProxied} />,
          },
        ]),
    {
      id: 'nodes',
      title: `Nodes (${String(nodes.length)})`,
      body: (
        <>
          <Table label="Nodes" table={nodesTable(trace, status, true)} />
          <Notes lines={nodeReasons(status)} />
        </>
      ),
    },
    { id: 'targets', title: 'DNAT targets', body: <Targets status={status} /> },
    { id: 'rules', title: 'Rules', body: <Programs programs={programs} notProxied={status.service?.notProxied} /> },
    { id: 'endpoints', title: 'EndpointSlices', body: <Endpoints status={status} /> },
    ...(status.comparison === undefined
      ? []
      : [{ id: 'comparison', title: 'Comparison', body: <Comparison comparison={status.comparison} /> }]),
    { id: 'conntrack', title: 'Conntrack', body: <Conntrack status={status} /> },
    ...(connections.rows.length === 0
      ? []
      : [
          {
            id: 'connections',
            title: 'Connections made by --connect',
            body: <Table label="Connections made by --connect" table={connections} />,
          },
        ]),
    // A packet path has all that a walk of the status has.
    ...(walks.length === 0 || (clientPath?.packetPaths ?? []).length > 0
      ? []
      : [{ id: 'walks', title: 'Walks', body: walks.map((walk, index) => <Walk key={index} walk={walk} />) }]),
    { id: 'versions', title: 'Versions', body: <Table label="Versions" table={versions} /> },
    ...(truncated.length === 0 ? [] : [{ id: 'cut', title: 'Cut', body: <Notes lines={truncated} /> }]),
  ];
}

function Comparison({ comparison }: { readonly comparison: ComparisonStatus }): ReactElement {
  const disagreements = comparison.rows.flatMap(({ address, port, disagreements }) =>
    disagreements.map((words) => `${hostPort(address, port)}: ${words}`),
  );
  return (
    <>
      <p>{comparisonSummary(comparison)}.</p>
      {comparison.rows.length === 0 ? null : <Table label="Comparison" table={comparisonTable(comparison)} />}
      <Notes lines={[...disagreements, ...outlierLines(comparison)]} />
    </>
  );
}

function Head({
  content,
  status,
  name,
  namespace,
}: {
  readonly content: ReportContent;
  readonly status: ServiceTraceStatus;
  readonly name: string;
  readonly namespace: string;
}): ReactElement {
  const { service, conditions = [] } = status;
  const verdict = verdictCell(status);
  return (
    <header>
      <p className="kind">{`Service in ${namespace}`}</p>
      <h1>{name}</h1>
      <p className={`verdict ${verdict.tone}`}>
        <Mark tone={verdict.tone} />
        {verdict.text}
      </p>
      <p className="path">
        {pathText(status, { marks }).map((each, index) => (
          <Toned key={index} cell={each} />
        ))}
      </p>
      <p>
        {service === undefined ? 'unknown' : [service.type, ...service.clusterIPs].join(' ')}
        {service === undefined ? '' : `; ${serviceFacts(service).join('; ')}`}
      </p>
      {service?.notProxied === undefined ? null : (
        <p className="warning">
          <Mark tone="warning" />
          {`kube-proxy writes no rules for it, because ${service.notProxied}`}
        </p>
      )}
      <p className="age">{`Collected at ${timeText(status.collectedAt)}, ${ageText(status.collectedAt, Date.parse(content.writtenAt))} before this report was written.`}</p>
      <dl className="conditions">
        {conditions.map((condition) => {
          const word = conditionCell(condition);
          return (
            <div key={condition.type}>
              <dt>{condition.type}</dt>
              <dd>
                <span className={word.tone}>
                  <Mark tone={word.tone} />
                  {word.text}
                </span>{' '}
                {condition.message}
              </dd>
            </div>
          );
        })}
      </dl>
    </header>
  );
}

/** 2026-11-24 11:27:47 UTC */
function timeText(time: string | undefined): string {
  const milliseconds = Date.parse(time ?? '');
  return Number.isFinite(milliseconds)
    ? `${new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')} UTC`
    : 'an unknown time';
}

function Findings({ status }: { readonly status: ServiceTraceStatus }): ReactElement {
  const { findings } = status;
  if (findings === undefined)
    return (
      <p className="warning">
        <Mark tone="warning" />
        unknown
      </p>
    );
  if (findings.length === 0)
    return (
      <p>
        <Toned cell={noFindingCell(status)} />
      </p>
    );
  return (
    <>
      {findings.map((finding, index) => (
        <Finding key={index} finding={finding} />
      ))}
    </>
  );
}

function Finding({ finding }: { readonly finding: FindingStatus }): ReactElement {
  const { severity, id, where, message, evidence, advice, commands = [] } = finding;
  const kind = catalogue.find((each) => each.id === id);
  return (
    <article className={`finding ${severity}`}>
      <h3>
        <span className={severityTones[severity]}>
          <Mark tone={severityTones[severity]} />
          {severity.toUpperCase()}
        </span>{' '}
        {id} <span className="where">{where}</span>
      </h3>
      <p className="message">
        <Coded text={message} />
      </p>
      {evidence.length === 0 ? null : (
        <>
          <h4>Evidence</h4>
          <ul className="evidence">
            {evidence.map((text, index) => (
              <li key={index}>{text}</li>
            ))}
          </ul>
        </>
      )}
      <h4>What to do</h4>
      <p className="message">
        <Coded text={advice} />
      </p>
      {commands.map((command, index) => (
        <pre key={index} className="command" tabIndex={0}>
          <span className="prompt">{`${commandPrompt(command.node)} `}</span>
          <code>{command.run}</code>
        </pre>
      ))}
      {kind === undefined ? null : (
        <details>
          <summary>{`What ${id} means`}</summary>
          <p>{`Reported when: ${kind.condition}`}</p>
          {kind.notReported === undefined ? null : <p>{`Not reported: ${kind.notReported}`}</p>}
          <p>{`Source: ${kind.source}`}</p>
        </details>
      )}
    </article>
  );
}

/** What stands between backquotes is to be typed. */
function Coded({ text }: { readonly text: string }): ReactElement {
  return (
    <>
      {text
        .split('`')
        .map((part, index, all) =>
          index % 2 === 1 && index < all.length - 1 ? (
            <code key={index}>{part}</code>
          ) : (
            <Fragment key={index}>{part}</Fragment>
          ),
        )}
    </>
  );
}

function Picture({ content: { picture, pictureNotes } }: { readonly content: ReportContent }): ReactElement {
  return (
    <figure>
      <p className="fit">
        <label>
          <input type="checkbox" /> Fit it to the width of the page
        </label>
      </p>
      <div
        className="scroll picture"
        role="group"
        aria-label="Picture"
        tabIndex={0}
        dangerouslySetInnerHTML={{ __html: picture }}
      />
      <figcaption>
        From the name in DNS over the addresses and the rules of the nodes to the EndpointSlices and the pods. The
        tables below say the same.
      </figcaption>
      <Notes lines={pictureNotes} />
    </figure>
  );
}

function Targets({ status }: { readonly status: ServiceTraceStatus }): ReactElement {
  const names = (status.nodes ?? []).map(({ name }) => name);
  const isPerNode = names.length <= mostNodeColumns;
  const paths = pathsOf(status);
  if (paths.length === 0) return <p className="dim">no DNAT target on any node that was read</p>;
  return (
    <>
      {paths.map((path) => {
        const table = isPerNode ? targetsByNode(path, status) : targetsSummed(path, status);
        return (
          <Fragment key={path.title}>
            <h3>{path.title}</h3>
            <ul className="lines">
              {frontendLines(path, names).map((line, index) => (
                <li key={index}>{line}</li>
              ))}
            </ul>
            {table.rows.length === 0 ? (
              <p className="dim">no DNAT target on any node that was read</p>
            ) : (
              <Table label={`DNAT targets of ${path.title}`} table={table} />
            )}
            {table.rows.length === 0 ? null : (
              <p className="dim">{isPerNode ? targetLegends.perNode : targetLegends.summed}</p>
            )}
          </Fragment>
        );
      })}
    </>
  );
}

function Programs({
  programs,
  notProxied,
}: {
  readonly programs: readonly ProgramContent[];
  readonly notProxied: string | undefined;
}): ReactElement {
  if (programs.length === 0)
    return (
      <p className="warning">
        <Mark tone="warning" />
        no node answered, so no rule is known
      </p>
    );
  return (
    <>
      {programs.map(({ node, identicalNodes, proxyMode, backend, proxyModeSource, families, unread }) => (
        <details key={node} className="program">
          <summary>
            <h3>{`${node}${identicalNodesText(identicalNodes)}: proxy mode ${proxyMode}${backend === undefined ? '' : ` on ${backend}`}`}</h3>
          </summary>
          <p className="dim">{proxyModeSource}</p>
          {unread.map(({ what, reason }, index) => (
            <p key={index} className="warning">
              <Mark tone="warning" />
              {`not read: ${what}: ${reason}`}
            </p>
          ))}
          {families.map((family) => (
            <Family key={family.family} family={family} />
          ))}
          {families.length === 0 ? (
            <p className={notProxied === undefined ? 'warning' : 'dim'}>
              {notProxied === undefined
                ? 'no rules of the Service are known on this node'
                : `kube-proxy writes no rules for it, because ${notProxied}`}
            </p>
          ) : null}
        </details>
      ))}
    </>
  );
}

function Family({ family: { family, frontends, stages } }: { readonly family: FamilyExplanation }): ReactElement {
  return (
    <>
      <h4>{`${family}: ${frontends.join(', ')}`}</h4>
      {stages.map(({ title, chains }) => (
        <Fragment key={title}>
          <h5>{title}</h5>
          {chains.map(({ table, chain, purpose, hooks, rules }) => (
            <Fragment key={`${table} ${chain}`}>
              <h6>
                <code>{`${table} ${chain}`}</code>
                {`${hooksText(hooks)}${purpose === undefined ? '' : `, ${purpose}`}`}
              </h6>
              <ol className="rules">
                {rules.map((rule, index) => (
                  <Rule key={index} rule={rule} facts={factsOf(rule)} />
                ))}
              </ol>
            </Fragment>
          ))}
        </Fragment>
      ))}
    </>
  );
}

/** What `explain --from` says, a folded part for each frontend; the first is open. */
function PacketPaths({
  packetPaths,
  notProxied,
}: {
  readonly packetPaths: readonly PacketPath[];
  readonly notProxied: string | undefined;
}): ReactElement {
  if (packetPaths.length === 0)
    return (
      <p className="warning">
        <Mark tone="warning" />
        {notProxied === undefined
          ? 'unknown: no node whose rules its packets meet has reported them'
          : `kube-proxy writes no rules for it, because ${notProxied}: its name resolves to the pods themselves.`}
      </p>
    );
  return (
    <>
      {packetPaths.map((packetPath, place) => (
        <details key={place} className="program" open={place === 0}>
          <summary>
            <h3>{packetPathTitle(packetPath)}</h3>
          </summary>
          {packetPath.steps.map(({ letter, title, sentences, rules, outcome }) => (
            <Fragment key={letter}>
              <h4>{`Step ${letter}: ${title}`}</h4>
              {sentences.map((sentence, index) => (
                <p key={index}>{sentence}</p>
              ))}
              {[...Map.groupBy(rules, (rule) => `${rule.table} ${rule.chain}`)].map(([chain, own]) => (
                <Fragment key={chain}>
                  <h5>
                    <code>{chain}</code>
                  </h5>
                  <ol className="rules">
                    {own.map((rule, index) => (
                      <Rule key={index} rule={rule} facts={ruleFacts(rule)} />
                    ))}
                  </ol>
                </Fragment>
              ))}
              {outcome.map((sentence, index) => (
                <p key={index}>{sentence}</p>
              ))}
            </Fragment>
          ))}
          <Notes lines={packetPath.unknown.map((text) => `${notKnown}: ${text}`)} />
        </details>
      ))}
    </>
  );
}

function Rule({
  rule,
  facts,
}: {
  readonly rule: Pick<RuleExplanation, 'sentence' | 'lines' | 'text' | 'unknown' | 'alike'>;
  readonly facts: readonly string[];
}): ReactElement {
  const { sentence, lines, text, unknown, alike = [] } = rule;
  return (
    <li>
      <p className={unknown.length > 0 ? 'warning' : undefined}>
        {unknown.length > 0 ? <Mark tone="warning" /> : null}
        {sentence}
      </p>
      {lines.length === 0 ? null : (
        <ul>
          {lines.map((line, index) => (
            <li key={index}>{line.sentence}</li>
          ))}
        </ul>
      )}
      <p className="dim">{facts.join('; ')}</p>
      <p>
        <code>{text}</code>
      </p>
      {alike.map((group, index) => (
        <Fragment key={index}>
          <p>{alikeText(group)}</p>
          <Table label={`Endpoints like ${group.writtenOut}`} table={alikeTable(group)} />
        </Fragment>
      ))}
    </li>
  );
}

function Endpoints({ status }: { readonly status: ServiceTraceStatus }): ReactElement {
  const { endpointSlices: slices } = status;
  if (slices === undefined)
    return (
      <p className="warning">
        <Mark tone="warning" />
        unknown
      </p>
    );
  if (slices.length === 0)
    return (
      <p className="error">
        <Mark tone="error" />
        none
      </p>
    );
  const cost = costTable(status);
  return (
    <>
      <p>{endpointSlicesSummary(status)}</p>
      <Table label="EndpointSlices" table={endpointSlicesTable(status, true)} />
      {cost === undefined ? null : (
        <Table label="What the Service costs as EndpointSlices and as legacy Endpoints" table={cost} />
      )}
    </>
  );
}

function Conntrack({ status }: { readonly status: ServiceTraceStatus }): ReactElement {
  const entries = conntrackEntries(status);
  const shown = { ...entries, rows: entries.rows.slice(0, mostEntries) };
  const omitted = omittedEntries(status) + entries.rows.length - shown.rows.length;
  return (
    <>
      <Table label="Conntrack of each node" table={conntrackSummary(status)} />
      {shown.rows.length === 0 ? null : <h3>Entries</h3>}
      {shown.rows.length === 0 ? null : <Table label="Conntrack entries" table={shown} />}
      {omitted === 0 ? null : <p className="dim">{omittedEntriesText(omitted)}</p>}
    </>
  );
}

function Walk({ walk }: { readonly walk: WalkStatus }): ReactElement {
  const { source, node, destination, destinationPort, protocol, verdict, destinations, masquerade, path, unknown } =
    walk;
  const ends = destinations.map((each) => `${hostPort(each.address, each.port)} (${shareText(each)})`).join(', ');
  return (
    <>
      <h3>{`A packet from ${source} on ${node} to ${hostPort(destination, destinationPort)}/${protocol}`}</h3>
      <p>{`${verdict}${ends === '' ? '' : ` to ${ends}`}${masquerade ? ', masqueraded' : ', its source stays'}`}</p>
      <ol className="rules">
        {path.map(({ table, chain, rule, effect }, index) => (
          <li key={index}>
            <p>{`${table} ${chain}: ${effect}`}</p>
            <p>
              <code>{rule}</code>
            </p>
          </li>
        ))}
      </ol>
      <Notes lines={unknown.map((text) => `not understood, so nothing is said beyond it: ${text}`)} />
    </>
  );
}

function Table({
  label,
  table: { columns, rows },
}: {
  readonly label: string;
  readonly table: ResultTable;
}): ReactElement {
  const side = (index: number): string | undefined => (columns[index]?.align === 'right' ? 'right' : undefined);
  const look = (index: number, { text }: Cell): string | undefined =>
    [side(index) ?? [], text.length <= mostWholeLetters ? 'whole' : []].flat().join(' ') || undefined;
  const table = (
    <div className="scroll" role="group" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map(({ title }, index) => (
              <th key={index} scope="col" className={side(index)}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, number) => (
            <tr key={number}>
              {row.map((each, index) =>
                index === 0 ? (
                  <th key={index} scope="row" className={look(index, each)}>
                    <Toned cell={each} />
                  </th>
                ) : (
                  <td key={index} className={look(index, each)}>
                    <Toned cell={each} />
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
  return rows.length <= mostOpenRows ? (
    table
  ) : (
    <details>
      <summary>{`${label}: ${plural(rows.length, 'row')}`}</summary>
      {table}
    </details>
  );
}

function Notes({ lines }: { readonly lines: readonly string[] }): ReactElement | null {
  return lines.length === 0 ? null : (
    <ul className="notes">
      {lines.map((line, index) => (
        <li key={index} className="warning">
          <Mark tone="warning" />
          {line}
        </li>
      ))}
    </ul>
  );
}

/** A colour never says something alone: a mark says it too, whatever the text begins with. */
function Toned({ cell: { text, tone } }: { readonly cell: Cell }): ReactElement {
  if (tone === 'plain') return <>{text}</>;
  return (
    <span className={tone}>
      <Mark tone={tone} />
      {text}
    </span>
  );
}

function Mark({ tone }: { readonly tone: Tone }): ReactElement | null {
  return tone === 'ok' || tone === 'warning' || tone === 'error' ? (
    <span className="mark" aria-hidden="true">{`${marks[tone]} `}</span>
  ) : null;
}
