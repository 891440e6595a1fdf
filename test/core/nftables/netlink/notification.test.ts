import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  joinBytes,
  nestedAttribute,
  netlinkAttribute,
  netlinkMessage,
  parseNetlinkMessages,
} from '../../../../core/nftables/netlink/message.ts';
import {
  leavesDifference,
  parseNewGeneration,
  parseNftNotice,
  type NftNotice,
} from '../../../../core/nftables/netlink/notification.ts';

const message = (type: number, ...attributes: Uint8Array[]) =>
  parseNetlinkMessages(
    netlinkMessage((10 << 8) | type, 0, 0, joinBytes([new Uint8Array([2, 0, 0, 1]), ...attributes])),
  );
const expression = (name: string, data: string): Uint8Array =>
  nestedAttribute(1, joinBytes([netlinkAttribute(1, name), nestedAttribute(2, netlinkAttribute(1, data))]));
const rule = (type: number, chain: string, ...expressions: Uint8Array[]) =>
  message(
    type,
    netlinkAttribute(1, 'nat'),
    netlinkAttribute(2, chain),
    netlinkAttribute(3, new Uint8Array(8)),
    nestedAttribute(4, joinBytes(expressions)),
  ).flatMap((each) => parseNftNotice(each) ?? []);

it('takes a rule that is written again as it was for no difference, whatever its counter and its place', () => {
  const jump = (counter: string) => [expression('counter', counter), expression('immediate', 'KUBE-SVC-A')];
  expect(rule(6, 'KUBE-SERVICES', ...jump('7'))).toEqual([
    expect.objectContaining({ kind: 'rule', isRemoved: false, place: '2 nat KUBE-SERVICES' }),
  ]);
  const rewritten = [...rule(8, 'KUBE-SERVICES', ...jump('7')), ...rule(6, 'KUBE-SERVICES', ...jump('0'))];
  expect(leavesDifference(rewritten)).toBe(false);
  expect(leavesDifference([...rewritten, ...rule(6, 'KUBE-SERVICES', expression('immediate', 'KUBE-SVC-B'))])).toBe(
    true,
  );
  expect(
    leavesDifference([...rule(8, 'KUBE-NODEPORTS', ...jump('7')), ...rule(6, 'KUBE-SERVICES', ...jump('7'))]),
  ).toBe(true);
});

it('leaves no difference exactly where all that was removed was added', () => {
  const notice = fc.record({
    kind: fc.constantFrom<NftNotice['kind']>('rule', 'element'),
    place: fc.constantFrom('a', 'b'),
    content: fc.constantFrom('x', 'y'),
  });
  fc.assert(
    fc.property(fc.array(notice), fc.array(notice, { minLength: 1, maxLength: 1 }), (notices, [more]) => {
      const back = notices.flatMap((each) => [
        { ...each, isRemoved: true },
        { ...each, isRemoved: false },
      ]);
      expect(leavesDifference(back)).toBe(false);
      expect(leavesDifference(more === undefined ? [] : [...back, { ...more, isRemoved: true }])).toBe(true);
    }),
  );
});

it('reads who ended a transaction, and leaves out what is of no concern', () => {
  const [end] = message(15, netlinkAttribute(1, new Uint8Array([0, 0, 1, 2])), netlinkAttribute(3, 'kube-proxy'));
  expect(end === undefined ? undefined : parseNewGeneration(end)).toEqual({ generation: 258, program: 'kube-proxy' });
  expect(message(18, netlinkAttribute(1, 'nat')).map(parseNftNotice)).toEqual([undefined]);
});
