/** Before a test run: installs the Debian packages that the tests need, where that is possible, and says what it does. */
import { canInstallPackages, installPackages } from '../cluster/packages.ts';
import { findExecutable } from '../cluster/requirements.ts';

const others = [
  {
    program: 'faketime',
    package: 'faketime',
    why: "faketime: the suite of faults gives one node's probe another clock",
  },
  { program: 'tmux', package: 'tmux', why: 'tmux: the tests look at the live view in a real terminal' },
  { program: 'tshark', package: 'tshark', why: 'tshark: the tests read captured packets with it, as Wireshark does' },
  { program: 'chromium', package: 'chromium', why: 'chromium: the tests open a report in a browser, and print it' },
  {
    program: 'bpftool',
    package: 'bpftool',
    why: 'bpftool: the tests write maps of eBPF into the kernel, and dump them',
  },
  { program: 'ipset', package: 'ipset', why: 'ipset: the tests compare what is said of sets with the kernel' },
  {
    program: 'nc',
    package: 'netcat-openbsd',
    why: 'nc: the tests connect with every program that the plugin may find in a pod',
  },
  { program: 'curl', package: 'curl', why: 'curl: the same' },
  { program: 'python3', package: 'python3', why: 'python3: the same, and it is the server there' },
];

if (canInstallPackages()) installPackages(others.filter(({ program }) => findExecutable(program) === undefined));
else
  process.stderr.write(
    'Without root and apt-get, nothing is installed; tests that lack something are skipped and say what.\n',
  );
