/**
 * `conntrack -L -o xml`, a flow a line:
 * `<flow><meta direction="original"><layer3 …><src>…</src>…</layer3><layer4 protonum="6" protoname="tcp"><sport>…`
 * with the directions original and reply, and `independent` for what belongs to both.
 */
import sax from 'sax';
import type { ConntrackFields } from './parse-entry.ts';

interface OpenFlow {
  protocol?: string;
  protocolNumber?: string;
  direction: string | undefined;
  readonly original: Map<string, string>;
  readonly reply: Map<string, string>;
  readonly both: Map<string, string>;
  readonly flags: string[];
  readonly others: string[];
}

/**
 * Takes the lines of a dump one after the other. Where the XML is broken, it goes on with the next line that begins a
 * flow, and says which lines it left out.
 */
export function readConntrackXml(
  onFlow: (fields: ConntrackFields, line: number) => void,
  onProblem: (line: number, message: string) => void,
): { line(text: string, line: number): void; end(line: number): void } {
  let current = 0;
  let broken = false;
  let isEnding = false;
  /** Where the flow that is being read began. */
  let flowLine: number | undefined;
  let parser = open('');

  /** @param before what the parser is to have read, so that a flow stands within its root */
  function open(before: string): sax.SAXParser {
    const opened = sax.parser(true, { position: false });
    const path: string[] = [];
    let flow: OpenFlow | undefined;
    let text = '';
    flowLine = undefined;
    opened.onerror = (error) => {
      if (broken) return;
      broken = true;
      onProblem(
        current,
        isEnding
          ? 'the dump ends before </conntrack>: it is truncated; capture it again'
          : `the XML is broken here (${firstLine(error.message)}); what stands before the next flow is left out`,
      );
    };
    opened.onopentag = ({ name, attributes }) => {
      if (broken) return;
      if (path.length === 0 && name !== 'conntrack') {
        broken = true;
        onProblem(current, `is not XML of conntrack -o xml: its first element is ${name.slice(0, 40)}`);
        return;
      }
      path.push(name);
      text = '';
      if (name === 'flow') flowLine = current;
      if (name === 'flow')
        flow = { direction: undefined, original: new Map(), reply: new Map(), both: new Map(), flags: [], others: [] };
      else if (flow !== undefined && name === 'meta') flow.direction = textOf(attributes['direction']);
      else if (flow !== undefined && name === 'layer4') {
        flow.protocol = textOf(attributes['protoname']);
        flow.protocolNumber = textOf(attributes['protonum']);
      }
    };
    opened.ontext = (piece) => {
      text += piece;
    };
    opened.onclosetag = (name) => {
      if (broken) return;
      path.pop();
      if (flow !== undefined && name === 'flow') {
        onFlow(fieldsOf(flow), current);
        flow = undefined;
        flowLine = undefined;
      } else if (flow !== undefined) keep(flow, name, text.trim());
      text = '';
    };
    opened.write(before);
    return opened;
  }

  function close(): void {
    isEnding = true;
    if (!broken) parser.close();
    isEnding = false;
  }

  return {
    line(text, line) {
      current = line;
      if (text.startsWith('<?xml') && line > 1) {
        // Another dump behind the first, such as that of the other family.
        close();
        broken = false;
        parser = open('');
      } else if (!broken && flowLine !== undefined && isFlow(text)) {
        onProblem(line, `the flow that begins in line ${flowLine} does not end; it is left out`);
        parser = open('<conntrack>');
      } else if (broken) {
        if (!isFlow(text)) {
          if (text.trim() !== '' && text.trim() !== '</conntrack>')
            onProblem(line, 'is left out, for the XML before it is broken');
          return;
        }
        broken = false;
        parser = open('<conntrack>');
      }
      parser.write(`${text}\n`);
    },
    end(line) {
      current = line;
      close();
    },
  };
}

function isFlow(line: string): boolean {
  return /^\s*<flow[\s>]/.test(line);
}

function textOf(attribute: string | sax.QualifiedAttribute | undefined): string {
  return typeof attribute === 'string' ? attribute : (attribute?.value ?? '');
}

/** Elements that hold others, and say nothing themselves. */
const containers = new Set(['meta', 'layer3', 'layer4', 'counters', 'timestamp', 'labels']);
const ofBoth = new Set(['mark', 'zone', 'id', 'use', 'state', 'timeout']);
const flagNames = new Map([
  ['unreplied', 'UNREPLIED'],
  ['assured', 'ASSURED'],
  ['offload', 'OFFLOAD'],
  ['hw_offload', 'HW_OFFLOAD'],
]);

function keep(flow: OpenFlow, name: string, value: string): void {
  if (containers.has(name)) return;
  const flag = flagNames.get(name);
  if (flow.direction === 'original') flow.original.set(name, value);
  else if (flow.direction === 'reply') flow.reply.set(name, value);
  else if (flag !== undefined) flow.flags.push(flag);
  else if (ofBoth.has(name)) flow.both.set(name, value);
  else flow.others.push(value === '' ? name : `${name}=${value}`);
}

/**
 * The tool prints the state of SCTP and DCCP with the names of TCP's states in XML (conntrack 1.4.7 says FIN_WAIT for
 * an established SCTP association): it is kept as it stands, and not taken for the state.
 */
function fieldsOf({
  protocol = '',
  protocolNumber = '',
  original,
  reply,
  both,
  flags,
  others,
}: OpenFlow): ConntrackFields {
  const state = both.get('state');
  const timeout = both.get('timeout');
  return {
    protocol,
    protocolNumber,
    ...(state === undefined || protocol !== 'tcp' ? {} : { state }),
    ...(timeout === undefined ? {} : { timeout }),
    flags,
    original,
    reply,
    both,
    others: [...others, ...(state === undefined || protocol === 'tcp' ? [] : [`state=${state}`])],
  };
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text;
}
