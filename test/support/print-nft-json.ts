/** Rules, sets and tables of nftables as JSON of libnftables-json(5): what `nft -j list` would print, and `nft -j -f` reads. */
import type { NftElement, NftExpression, NftVerdict, NftRule, NftStatement } from '../../core/nftables/rule.ts';
import { printNftStatement } from '../../core/nftables/print.ts';
import type { NftRulesetTable, NftSet } from '../../core/nftables/table.ts';

/** The objects of one table: chains before the maps that jump to them, so that nft reads them in this order. */
export function nftTableJson(table: NftRulesetTable): object[] {
  const { family, name } = table;
  const own = { family, table: name };
  return [
    { table: compact({ family, name, handle: table.handle, comment: table.comment, flags: table.flags }) },
    ...[...table.chains].map(([chain, { base, handle, comment, flags }]) => ({
      chain: compact({
        ...own,
        name: chain,
        handle,
        comment,
        flags,
        type: base?.type,
        hook: base?.hook,
        prio: base?.priority,
        policy: base?.policy,
        dev: base?.devices === undefined ? undefined : oneOrMany(base.devices),
      }),
    })),
    ...table.objects.map((object) => ({
      [object.kind]: compact({
        ...own,
        name: object.name,
        handle: object.handle,
        comment: object.comment,
        ...object.fields,
      }),
    })),
    ...[...table.sets.values()].map((set) => ({ set: { ...own, ...nftSetJson(set) } })),
    ...[...table.maps.values()].map((map) => ({ map: { ...own, ...nftSetJson(map) } })),
    ...table.flowtables.map((flowtable) => ({
      flowtable: compact({
        ...own,
        name: flowtable.name,
        handle: flowtable.handle,
        hook: flowtable.hook,
        prio: flowtable.priority,
        dev: oneOrMany(flowtable.devices),
        flags: flowtable.flags,
      }),
    })),
    ...[...table.chains.values()].flatMap(({ rules }) =>
      rules.map((rule) => ({ rule: { ...own, ...nftRuleJson(rule) } })),
    ),
    ...table.unrecognized.flatMap(({ json }) => (typeof json === 'object' && json !== null ? [json] : [])),
  ];
}

function nftRuleJson({ chain, handle, comment, statements }: NftRule): object {
  return compact({ chain, handle, comment, expr: statements.map(nftStatementJson) });
}

function nftSetJson(set: NftSet): object {
  return compact({
    name: set.name,
    type: set.typeOf === undefined ? oneOrMany(set.type) : { typeof: nftExpressionJson(set.typeOf) },
    handle: set.handle,
    map:
      set.dataTypeOf === undefined
        ? set.data === undefined
          ? undefined
          : set.data.join(' . ')
        : { typeof: nftExpressionJson(set.dataTypeOf) },
    comment: set.comment,
    size: set.size,
    policy: set.policy,
    flags: set.flags.length === 0 ? undefined : set.flags,
    timeout: set.timeout,
    'gc-interval': set.gcInterval,
    'auto-merge': set.autoMerge,
    elem: set.elements.length === 0 ? undefined : set.elements.map(nftElementJson),
    stmt: set.statements?.map(nftStatementJson),
  });
}

export function nftElementJson({ key, value, timeout, expires, comment, statements }: NftElement): unknown {
  const isPlain = timeout === undefined && expires === undefined && comment === undefined && statements === undefined;
  const own = Object.fromEntries(
    (statements ?? []).flatMap((statement) => Object.entries(nftStatementJson(statement) ?? {})),
  );
  const left = isPlain
    ? nftExpressionJson(key)
    : { elem: compact({ val: nftExpressionJson(key), timeout, expires, comment, ...own }) };
  return value === undefined ? left : [left, nftExpressionJson(value)];
}

function compact(object: { readonly [field: string]: unknown }): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

function oneOrMany(values: readonly string[]): string | readonly string[] {
  const [only] = values;
  return values.length === 1 && only !== undefined ? only : values;
}

function verdictJson(verdict: NftVerdict): object {
  return 'chain' in verdict ? { [verdict.kind]: { target: verdict.chain } } : { [verdict.kind]: null };
}

/** Null instead of an object without fields, as nft prints `{"log": null}`. */
function orNull(object: object): object | null {
  return Object.keys(object).length === 0 ? null : object;
}

function nftStatementJson(statement: NftStatement): unknown {
  const json = (expression: NftExpression | undefined): unknown =>
    expression === undefined ? undefined : nftExpressionJson(expression);
  switch (statement.kind) {
    case 'match':
      return { match: { op: statement.operator, left: json(statement.left), right: json(statement.right) } };
    case 'verdict':
      return verdictJson(statement.verdict);
    case 'vmap':
      return { vmap: { key: json(statement.key), data: json(statement.data) } };
    case 'counter':
      return { counter: orNull(compact({ packets: statement.packets, bytes: statement.bytes })) };
    case 'object':
      return { [statement.object]: json(statement.name) };
    case 'quota':
      return {
        quota: compact({
          val: statement.value,
          val_unit: statement.unit,
          used: statement.used,
          used_unit: statement.usedUnit,
          inv: statement.isOver ? true : undefined,
        }),
      };
    case 'limit': {
      const burst = statement.burst ?? (statement.rateUnit === undefined ? 5 : 0);
      const burstUnit = statement.burstUnit ?? (statement.rateUnit === undefined ? undefined : 'bytes');
      return {
        limit: compact({
          rate: statement.rate,
          burst,
          per: statement.per,
          inv: statement.isOver ? true : undefined,
          rate_unit: statement.rateUnit,
          burst_unit: burstUnit,
        }),
      };
    }
    case 'connectionLimit':
      return { 'ct count': compact({ val: statement.count, inv: statement.isOver ? true : undefined }) };
    case 'last':
      return { last: orNull(compact({ used: statement.used })) };
    case 'log':
      return {
        log: orNull(
          compact({
            prefix: statement.prefix,
            group: statement.group,
            snaplen: statement.snaplen,
            'queue-threshold': statement.queueThreshold,
            level: statement.level,
            flags: statement.flags === undefined ? undefined : oneOrMany(statement.flags),
          }),
        ),
      };
    case 'mangle':
      return { mangle: { key: json(statement.key), value: json(statement.value) } };
    case 'nat': {
      const { type, family, address, port, flags, typeFlags } = statement;
      return {
        [type]: orNull(
          compact({
            family,
            addr: json(address),
            port: json(port),
            flags: flags === undefined ? undefined : oneOrMany(flags),
            type_flags: typeFlags === undefined ? undefined : oneOrMany(typeFlags),
          }),
        ),
      };
    }
    case 'reject':
      return { reject: orNull(compact({ type: statement.type, expr: json(statement.code) })) };
    case 'setUpdate': {
      const { element, operation, set, statements } = statement;
      if (element.value !== undefined) return printNftStatement(statement);
      return {
        set: compact({
          op: operation,
          elem: nftElementJson(element),
          set: `@${set}`,
          stmt: statements.length === 0 ? undefined : statements.map(nftStatementJson),
        }),
      };
    }
    case 'meter':
      return {
        meter: compact({
          name: statement.name,
          size: statement.size,
          key: nftElementJson(statement.key),
          stmt: nftStatementJson(statement.statement),
        }),
      };
    case 'notrack':
      return { notrack: null };
    case 'queue':
      return {
        queue: orNull(
          compact({
            num: json(statement.number),
            flags: statement.flags.length === 0 ? undefined : oneOrMany(statement.flags),
          }),
        ),
      };
    case 'tproxy':
      return {
        tproxy: compact({ family: statement.family, addr: json(statement.address), port: json(statement.port) }),
      };
    case 'dup':
    case 'fwd':
      return {
        [statement.kind]: compact({
          family: statement.family,
          addr: json(statement.address),
          dev: json(statement.device),
        }),
      };
    case 'synproxy':
      return {
        synproxy: orNull(
          compact({
            mss: statement.mss,
            wscale: statement.windowScale,
            flags: statement.flags.length === 0 ? undefined : oneOrMany(statement.flags),
          }),
        ),
      };
    case 'flow':
      return { flow: { op: 'add', flowtable: `@${statement.flowtable}` } };
    case 'reset':
      return { reset: json(statement.option) };
    case 'xt':
      return { xt: { type: statement.type, name: statement.name } };
    case 'unrecognized':
      return 'json' in statement ? statement.json : statement.text;
  }
}

function nftExpressionJson(expression: NftExpression): unknown {
  switch (expression.kind) {
    case 'value':
      return expression.value;
    case 'prefix':
      return { prefix: { addr: nftExpressionJson(expression.address), len: expression.length } };
    case 'range':
      return { range: [nftExpressionJson(expression.from), nftExpressionJson(expression.to)] };
    case 'set':
      return { set: expression.elements.map(nftElementJson) };
    case 'setReference':
      return `@${expression.name}`;
    case 'list':
      return expression.items.map(nftExpressionJson);
    case 'concatenation':
      return { concat: expression.parts.map(nftExpressionJson) };
    case 'payload':
      return { payload: { protocol: expression.protocol, field: expression.field } };
    case 'rawPayload':
      return { payload: { base: expression.base, offset: expression.offset, len: expression.length } };
    case 'header':
      return {
        [expression.header]: compact({ name: expression.name, field: expression.field, offset: expression.offset }),
      };
    case 'rawTcpOption':
      return { 'tcp option': { base: expression.option, offset: expression.offset, len: expression.length } };
    case 'meta':
      return { meta: { key: expression.key } };
    case 'ct':
      return { ct: compact({ key: expression.key, dir: expression.direction }) };
    case 'fib':
      return { fib: { result: expression.result, flags: expression.flags } };
    case 'rt':
      return { rt: compact({ key: expression.key, family: expression.family }) };
    case 'socket':
      return { socket: compact({ key: expression.key, level: expression.level }) };
    case 'osf':
      return { osf: compact({ key: expression.key, ttl: expression.ttl }) };
    case 'ipsec':
      return {
        ipsec: compact({
          key: expression.key,
          dir: expression.direction,
          spnum: expression.number ?? 0,
          family: expression.family,
        }),
      };
    case 'tunnel':
      return { tunnel: { key: expression.key } };
    case 'numgen':
      return { numgen: { mode: expression.mode, mod: expression.modulus, offset: expression.offset } };
    case 'jhash':
      return {
        jhash: compact({
          mod: expression.modulus,
          seed: expression.seed,
          offset: expression.offset,
          expr: nftExpressionJson(expression.of),
        }),
      };
    case 'symhash':
      return { symhash: compact({ mod: expression.modulus, offset: expression.offset }) };
    case 'map':
      return { map: { key: nftExpressionJson(expression.key), data: nftExpressionJson(expression.data) } };
    case 'binary':
      return { [expression.operator]: expression.operands.map(nftExpressionJson) };
    case 'verdict':
      return verdictJson(expression.verdict);
    case 'unrecognized':
      return 'json' in expression ? expression.json : expression.text;
  }
}
