/** Texts are what ipset 7.17 printed on Linux 6.18; test/kernel/ipset.test.ts compares with the kernel at hand. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IpsetDump, parseIpset, printIpsetSave } from '../../../core/ipset/parse.ts';
import { expectSameInChunks, mutatedDump } from '../../support/mutated-dump.ts';

const saved = `create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xc7feb939
add KUBE-CLUSTER-IP 10.96.0.10,udp:53
add KUBE-CLUSTER-IP 10.96.0.1,tcp:443
create A hash:ip family inet hashsize 1024 maxelem 65536 timeout 300 counters comment skbinfo bucketsize 12 initval 0x64570a15
add A 10.0.0.2 timeout 0 packets 0 bytes 0
add A 10.0.0.1 timeout 299 packets 4 bytes 44 comment "two words" skbmark 0x11/0xff skbprio 1:10 skbqueue 5
create N hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x79a3c73e
add N 10.1.0.0/16 nomatch
add N 10.0.0.0/8
create NI hash:net,iface family inet hashsize 1024 maxelem 65536 timeout 100 counters comment skbinfo bucketsize 12 initval 0xbd52e407
add NI 10.0.0.0/8,eth timeout 99 nomatch wildcard packets 1 bytes 2 comment "x" skbmark 0x1
create P bitmap:port range 0-65535
add P 80
create IP6 hash:ip,port family inet6 hashsize 1024 maxelem 65536 bucketsize 12 initval 0xbd2125e5
add IP6 fd00::1,ipv6-icmp:no-route
add IP6 fd00::1,tcp:80
create L list:set size 8
add L N
add L P
`;

const listed = `Name: KUBE-CLUSTER-IP
Type: hash:ip,port
Revision: 7
Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xc7feb939
Size in memory: 360
References: 2
Number of entries: 2
Members:
10.96.0.10,udp:53
10.96.0.1,tcp:443

Name: N
Type: hash:net
Revision: 7
Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x79a3c73e
Size in memory: 552
References: 1
Number of entries: 2
Members:
10.1.0.0/16 nomatch
10.0.0.0/8
`;

describe('parseIpset', () => {
  it('reads a set with its options, and elements with theirs', () => {
    const { result, problems } = parseIpset(saved);
    expect(problems).toEqual([]);
    expect(result.find(({ name }) => name === 'A')).toEqual({
      name: 'A',
      type: 'hash:ip',
      family: 'IPv4',
      options: [
        'family inet',
        'hashsize 1024',
        'maxelem 65536',
        'timeout 300',
        'counters',
        'comment',
        'skbinfo',
        'bucketsize 12',
        'initval 0x64570a15',
      ],
      elements: [
        { parts: ['10.0.0.2'], isException: false, timeout: 0, counters: { packets: 0, bytes: 0 }, others: [] },
        {
          parts: ['10.0.0.1'],
          isException: false,
          timeout: 299,
          comment: 'two words',
          counters: { packets: 4, bytes: 44 },
          others: ['skbmark 0x11/0xff', 'skbprio 1:10', 'skbqueue 5'],
        },
      ],
    });
    expect(result.find(({ name }) => name === 'NI')?.elements).toEqual([
      {
        parts: ['10.0.0.0/8', 'eth'],
        isException: true,
        timeout: 99,
        comment: 'x',
        counters: { packets: 1, bytes: 2 },
        others: ['wildcard', 'skbmark 0x1'],
      },
    ]);
    expect(result.map(({ name, family }) => [name, family])).toEqual([
      ['KUBE-CLUSTER-IP', 'IPv4'],
      ['A', 'IPv4'],
      ['N', 'IPv4'],
      ['NI', 'IPv4'],
      ['P', undefined],
      ['IP6', 'IPv6'],
      ['L', undefined],
    ]);
  });

  it('prints what it read, to the letter', () => {
    expect(printIpsetSave(parseIpset(saved).result)).toBe(saved);
  });

  it('reads ipset list as the same sets', () => {
    const { result, problems } = parseIpset(listed);
    expect(problems).toEqual([]);
    expect(result).toEqual(parseIpset(saved).result.filter(({ name }) => ['KUBE-CLUSTER-IP', 'N'].includes(name)));
  });

  it('keeps a comment with quotation marks, as the kernel does', () => {
    const text = 'create A hash:ip family inet comment skbinfo\nadd A 10.0.0.1 comment "say "hi" twice" skbqueue 5\n';
    const { result } = parseIpset(text);
    expect(result[0]?.elements[0]).toMatchObject({ comment: 'say "hi" twice', others: ['skbqueue 5'] });
    expect(printIpsetSave(result)).toBe(text);
  });

  it.each([
    [
      'an element of a set that is not there',
      'add A 10.0.0.1\n',
      1,
      'no create line before it makes the set A: the dump begins too late; capture it again with ipset save',
    ],
    [
      'a set that is there twice',
      'create A hash:ip\ncreate A hash:ip\n',
      2,
      'the set A is there already, from line 1: the text holds two dumps; give one',
    ],
    ['another command', 'create A hash:ip\nflush A\n', 2, 'is not a line of ipset save or ipset list: flush A'],
    [
      'a comment without its end',
      'create A hash:ip comment\nadd A 10.0.0.1 comment "never ends\n',
      2,
      'the element 10.0.0.1 of the set A has options that cannot be separated: comment "never ends',
    ],
    [
      'members that are left out',
      listed.replace(/Members:[^]*$/, ''),
      7,
      'the set KUBE-CLUSTER-IP of line 1 is listed without its members; use ipset save, or ipset list without -terse',
    ],
    [
      'a torn list',
      listed.slice(0, listed.indexOf('10.0.0.0/8')),
      20,
      'the set N of line 12 has 2 entries, of which 1 could be read: the dump is truncated; capture it again',
    ],
  ])('says what is wrong with %s', (_name, text, line, message) => {
    expect(parseIpset(text).problems).toEqual([expect.objectContaining({ line, message })]);
  });

  it('does not take a set whose members are not there for an empty one', () => {
    expect(parseIpset(listed.slice(0, listed.indexOf('10.0.0.0/8'))).result.map(({ name }) => name)).toEqual([
      'KUBE-CLUSTER-IP',
    ]);
  });

  it('never throws, in whatever chunks a dump comes, and names every line that it does not understand', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), mutatedDump([saved, listed])),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (text, sizes) => {
          expectSameInChunks(() => new IpsetDump(), text, sizes);
        },
      ),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~]+ [ -~]*$/), (line) => {
        fc.pre(!/^(create|add|Name:) /.test(line));
        expect(parseIpset(saved + line).problems).toEqual([
          { line: saved.split('\n').length, message: expect.stringContaining('is not a line of ipset') as string },
        ]);
      }),
    );
  });
});
