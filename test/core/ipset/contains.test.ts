/** kube-proxy's sets of IPVS mode (pkg/proxy/ipvs/ipset.go and proxier.go, v1.37), with the flags of its own rules. */
import { describe, expect, it } from 'vitest';
import { ipSetContains, type IpSetFlag, type IpSetPacket } from '../../../core/ipset/contains.ts';
import { parseIpset } from '../../../core/ipset/parse.ts';
import { present } from '../../../core/lib/present.ts';

const sets = new Map(
  parseIpset(`create KUBE-LOOP-BACK hash:ip,port,ip family inet hashsize 1024 maxelem 65536
add KUBE-LOOP-BACK 10.244.1.4,tcp:8080,10.244.1.4
create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536
add KUBE-CLUSTER-IP 10.96.0.1,tcp:443
add KUBE-CLUSTER-IP 10.96.0.10,udp:53
add KUBE-CLUSTER-IP 10.96.0.11,6:80
create KUBE-EXTERNAL-IP hash:ip,port family inet
add KUBE-EXTERNAL-IP 192.0.2.7,tcp:80
create KUBE-LOAD-BALANCER-FW hash:ip,port family inet
add KUBE-LOAD-BALANCER-FW 198.51.100.1,tcp:80
create KUBE-LOAD-BALANCER-SOURCE-CIDR hash:ip,port,net family inet
add KUBE-LOAD-BALANCER-SOURCE-CIDR 198.51.100.1,tcp:80,203.0.113.0/24
add KUBE-LOAD-BALANCER-SOURCE-CIDR 198.51.100.1,tcp:80,203.0.113.128/25 nomatch
create KUBE-LOAD-BALANCER-SOURCE-IP hash:ip,port,ip family inet
add KUBE-LOAD-BALANCER-SOURCE-IP 198.51.100.1,tcp:80,172.30.0.11
create KUBE-NODE-PORT-TCP bitmap:port range 0-65535
add KUBE-NODE-PORT-TCP 30080
create KUBE-NODE-PORT-LOCAL-TCP bitmap:port range 0-65535
create KUBE-NODE-PORT-SCTP-HASH hash:ip,port family inet
add KUBE-NODE-PORT-SCTP-HASH 172.30.0.11,sctp:30999
create KUBE-HEALTH-CHECK-NODE-PORT bitmap:port range 0-65535
add KUBE-HEALTH-CHECK-NODE-PORT 31555
create KUBE-IPVS-IPS hash:ip family inet
add KUBE-IPVS-IPS 10.96.0.1
create KUBE-6-CLUSTER-IP hash:ip,port family inet6
add KUBE-6-CLUSTER-IP fd00:10:96::1,tcp:443
create NETS hash:net,net family inet
add NETS 10.0.0.0/8,10.0.0.0/8
add NETS 10.1.0.0/16,10.0.0.0/8 nomatch
add NETS 10.0.0.0/8,10.2.0.0/16 nomatch
create NETWORK hash:ip family inet netmask 24
add NETWORK 10.0.1.0
create HOLES hash:ip family inet bitmask 255.255.0.255
add HOLES 10.1.0.3
create MACS hash:mac
add MACS 01:02:03:04:05:06
create NOMACS hash:mac
create IFACES hash:net,iface family inet
add IFACES 10.0.0.0/8,eth0
add IFACES 10.0.0.0/8,veth wildcard
add IFACES 10.1.0.0/16,eth0 nomatch
create BRIDGED hash:net,iface family inet
add BRIDGED 10.0.0.0/8,physdev:eth0
create BOTH hash:net,iface family inet
add BOTH 10.0.0.0/8,eth0
add BOTH 10.0.0.0/8,eth wildcard nomatch
create WRITTEN hash:ip,port family inet
add WRITTEN 10.0.0.1-10.0.0.9,tcp:80
add WRITTEN 10.0.0.20,tcp:http
add WRITTEN 10.0.0.30,tcp:80
create LIST list:set size 8
add LIST KUBE-CLUSTER-IP
add LIST KUBE-NODE-PORT-TCP
create HALF list:set size 8
add HALF KUBE-CLUSTER-IP
add HALF NOT-THERE
create FUTURE hash:ip,teapot family inet
add FUTURE 10.0.0.1,brown
`).result.map((set) => [set.name, set]),
);

const packet = (text: string): IpSetPacket => {
  const [, protocol = 'TCP', source = '', sourcePort, destination = '', port = '', inInterface, outInterface] =
    /^(\w+) (\S+?)(?:#(\d+))? > (\S+)#(\d+)(?: in (\S*))?(?: out (\S*))?$/.exec(text) ?? [];
  return {
    protocol: protocol as IpSetPacket['protocol'],
    source,
    destination,
    destinationPort: Number(port),
    ...(sourcePort === undefined ? {} : { sourcePort: Number(sourcePort) }),
    ...present({ inInterface, outInterface }),
  };
};

const rows: [string, string, string, boolean | undefined][] = [
  ['KUBE-CLUSTER-IP', 'dst,dst', 'TCP 10.244.1.4 > 10.96.0.1#443', true],
  ['KUBE-CLUSTER-IP', 'dst,dst', 'UDP 10.244.1.4 > 10.96.0.1#443', false],
  ['KUBE-CLUSTER-IP', 'dst,dst', 'TCP 10.244.1.4 > 10.96.0.1#444', false],
  ['KUBE-CLUSTER-IP', 'dst,dst', 'UDP 10.244.1.4 > 10.96.0.10#53', true],
  // A node without /etc/protocols prints the number.
  ['KUBE-CLUSTER-IP', 'dst,dst', 'TCP 10.244.1.4 > 10.96.0.11#80', true],
  ['KUBE-CLUSTER-IP', 'dst,dst', 'TCP fd00::1 > fd00:10:96::1#443', false],
  // One flag is less than the set's two parts: the kernel finds nothing.
  ['KUBE-CLUSTER-IP', 'dst', 'TCP 10.244.1.4 > 10.96.0.1#443', false],
  ['KUBE-CLUSTER-IP', 'src,src', 'TCP 10.96.0.1#443 > 10.244.1.4#4000', true],
  ['KUBE-CLUSTER-IP', 'src,src', 'TCP 10.96.0.1 > 10.244.1.4#4000', undefined],
  ['KUBE-CLUSTER-IP', 'src,src', 'SCTP 10.96.0.1 > 10.244.1.4#4000', false],
  ['KUBE-6-CLUSTER-IP', 'dst,dst', 'TCP fd00::1 > fd00:0010:0096::0001#443', true],
  ['KUBE-LOOP-BACK', 'dst,dst,src', 'TCP 10.244.1.4 > 10.244.1.4#8080', true],
  ['KUBE-LOOP-BACK', 'dst,dst,src', 'TCP 10.244.1.5 > 10.244.1.4#8080', false],
  ['KUBE-EXTERNAL-IP', 'dst,dst', 'TCP 203.0.113.9 > 192.0.2.7#80', true],
  ['KUBE-LOAD-BALANCER-FW', 'dst,dst', 'TCP 203.0.113.9 > 198.51.100.1#80', true],
  ['KUBE-LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src', 'TCP 203.0.113.9 > 198.51.100.1#80', true],
  ['KUBE-LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src', 'TCP 203.0.113.200 > 198.51.100.1#80', false],
  ['KUBE-LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src', 'TCP 192.0.2.9 > 198.51.100.1#80', false],
  ['KUBE-LOAD-BALANCER-SOURCE-IP', 'dst,dst,src', 'TCP 172.30.0.11 > 198.51.100.1#80', true],
  ['KUBE-NODE-PORT-TCP', 'dst', 'TCP 192.0.2.9 > 172.30.0.11#30080', true],
  ['KUBE-NODE-PORT-TCP', 'dst', 'UDP 192.0.2.9 > 172.30.0.11#30080', true],
  ['KUBE-NODE-PORT-TCP', 'dst', 'TCP fd00::9 > fd00::1#30080', true],
  // Seen on Linux 6.18 too: a bitmap holds no SCTP port, for which kube-proxy has the sets of hashes.
  ['KUBE-NODE-PORT-TCP', 'dst', 'SCTP 192.0.2.9 > 172.30.0.11#30080', false],
  ['KUBE-NODE-PORT-LOCAL-TCP', 'dst', 'TCP 192.0.2.9 > 172.30.0.11#30080', false],
  ['KUBE-NODE-PORT-SCTP-HASH', 'dst,dst', 'SCTP 192.0.2.9 > 172.30.0.11#30999', true],
  ['KUBE-NODE-PORT-SCTP-HASH', 'dst,dst', 'TCP 192.0.2.9 > 172.30.0.11#30999', false],
  ['KUBE-HEALTH-CHECK-NODE-PORT', 'dst', 'TCP 192.0.2.9 > 172.30.0.11#31555', true],
  ['KUBE-IPVS-IPS', 'dst', 'TCP 10.244.1.4 > 10.96.0.1#9', true],
  // The first network decides before the second: /16 & /8 comes before /8 & /16.
  ['NETS', 'src,dst', 'TCP 10.0.0.1 > 10.0.0.2#1', true],
  ['NETS', 'src,dst', 'TCP 10.1.0.1 > 10.0.0.2#1', false],
  ['NETS', 'src,dst', 'TCP 10.0.0.1 > 10.2.0.2#1', false],
  ['NETS', 'src,dst', 'TCP 192.0.2.1 > 10.2.0.2#1', false],
  ['NETWORK', 'src', 'TCP 10.0.1.77 > 10.2.0.2#1', true],
  ['NETWORK', 'src', 'TCP 10.0.2.77 > 10.2.0.2#1', false],
  // As `ipset test` answered: 10.1.9.3 is in set F.
  ['HOLES', 'src', 'TCP 10.1.9.3 > 10.2.0.2#1', true],
  ['HOLES', 'src', 'TCP 10.1.9.4 > 10.2.0.2#1', false],
  ['MACS', 'src', 'TCP 10.1.9.4 > 10.2.0.2#1', undefined],
  ['NOMACS', 'src', 'TCP 10.1.9.4 > 10.2.0.2#1', false],
  ['IFACES', 'src,src', 'TCP 10.1.9.4 > 10.2.0.2#1', undefined],
  ['IFACES', 'src,src', 'TCP 192.0.2.4 > 10.2.0.2#1', false],
  ['IFACES', 'src,src', 'TCP 10.2.9.4 > 10.2.0.2#1 in eth0', true],
  ['IFACES', 'src,src', 'TCP 10.2.9.4 > 10.2.0.2#1 in eth1', false],
  ['IFACES', 'src,src', 'TCP 10.2.9.4 > 10.2.0.2#1 in veth7', true],
  // The network of /16 decides, for other interfaces too, and is not for them.
  ['IFACES', 'src,src', 'TCP 10.1.9.4 > 10.2.0.2#1 in eth0', false],
  ['IFACES', 'src,src', 'TCP 10.1.9.4 > 10.2.0.2#1 in veth7', false],
  // A packet of the node's own came by none.
  ['IFACES', 'src,src', 'TCP 10.2.9.4 > 10.2.0.2#1 in  out eth0', false],
  ['IFACES', 'src,dst', 'TCP 10.2.9.4 > 10.2.0.2#1 in  out eth0', true],
  ['IFACES', 'src,dst', 'TCP 10.2.9.4 > 10.2.0.2#1 in eth0', undefined],
  ['BRIDGED', 'src,src', 'TCP 10.2.9.4 > 10.2.0.2#1 in eth0', undefined],
  ['BOTH', 'src,src', 'TCP 10.2.9.4 > 10.2.0.2#1 in eth0', undefined],
  ['BOTH', 'src,src', 'TCP 10.2.9.4 > 10.2.0.2#1 in eth1', false],
  ['WRITTEN', 'dst,dst', 'TCP 10.244.1.4 > 10.0.0.30#80', true],
  ['WRITTEN', 'dst,dst', 'TCP 10.244.1.4 > 10.0.0.5#80', undefined],
  ['LIST', 'dst,dst', 'TCP 10.244.1.4 > 10.96.0.1#443', true],
  // A member with fewer parts than flags takes the first ones.
  ['LIST', 'dst,dst', 'TCP 10.244.1.4 > 10.96.0.7#30080', true],
  ['LIST', 'dst,dst', 'TCP 10.244.1.4 > 10.96.0.7#30081', false],
  ['LIST', 'dst', 'TCP 10.244.1.4 > 10.96.0.1#443', false],
  ['HALF', 'dst,dst', 'TCP 10.244.1.4 > 10.96.0.1#443', true],
  ['HALF', 'dst,dst', 'TCP 10.244.1.4 > 10.96.0.1#444', undefined],
  ['FUTURE', 'dst,dst', 'TCP 10.244.1.4 > 10.0.0.1#444', undefined],
  ['KUBE-CLUSTER-IP', 'dst,dst', 'TCP nobody > 10.96.0.1#443', undefined],
];

describe('ipSetContains', () => {
  it.each(rows)('%s %s: %s', (name, flags, text, expected) => {
    const set = sets.get(name);
    if (set === undefined) throw new Error(`no set ${name}`);
    expect(ipSetContains(set, flags.split(',') as IpSetFlag[], packet(text), { sets })).toBe(expected);
  });

  it('turns plain elements and those with nomatch round for --return-nomatch', () => {
    const set = sets.get('KUBE-LOAD-BALANCER-SOURCE-CIDR');
    if (set === undefined) throw new Error('no set');
    const answer = (source: string): boolean | undefined =>
      ipSetContains(set, ['dst', 'dst', 'src'], packet(`TCP ${source} > 198.51.100.1#80`), { returnNomatch: true });
    expect([answer('203.0.113.9'), answer('203.0.113.200'), answer('192.0.2.1')]).toEqual([false, true, false]);
  });

  it('reads no more than the prefix lengths that occur, however many elements there are', () => {
    const large = parseIpset(
      `create S hash:ip,port family inet\n${Array.from({ length: 30000 }, (_, index) => `add S 10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255},tcp:80`).join('\n')}\n`,
    ).result[0];
    if (large === undefined) throw new Error('no set');
    expect(ipSetContains(large, ['dst', 'dst'], packet('TCP 10.244.1.4 > 10.96.100.9#80'))).toBe(true);
    expect(ipSetContains(large, ['dst', 'dst'], packet('TCP 10.244.1.4 > 10.97.100.9#80'))).toBe(false);
  });
});
