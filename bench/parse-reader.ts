/** Reads a dump of iptables-save from standard input into typed rules, and prints how many: what bench/parse.ts measures. */
import { createReadStream } from 'node:fs';
import { IptablesSaveDump } from '../core/parse/iptables-save.ts';

let rules = 0;
const dump = new IptablesSaveDump({ keep: () => false, visit: () => { rules += 1; } });
for await (const chunk of createReadStream('', { fd: 0 })) if (chunk instanceof Uint8Array) dump.push(chunk);
const { problems } = dump.end();
if (problems.length > 0) throw new Error(JSON.stringify(problems));
process.stdout.write(String(rules));
