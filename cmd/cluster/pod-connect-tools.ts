/**
 * What makes connections in a pod, the most exact first. Each gets targets as PROTOCOL/ADDRESS/PORT, tries all of them at
 * the same time for 2 s, closes at once, and prints a line for each: INDEX OUTCOME MILLISECONDS TEXT.
 */

export interface ConnectTool {
  readonly name: string;
  /** What is run; targets follow. */
  readonly argv: readonly string[];
}

const seconds = 2;
const datagramSeconds = 0.5;

/** Also for versions of Node.js that are ten years old. */
const node = `
var net = require('net'), dgram = require('dgram');
var codes = { ECONNREFUSED: 'refused', ETIMEDOUT: 'timeout', EHOSTUNREACH: 'unreachable', ENETUNREACH: 'unreachable', EACCES: 'unreachable', EPERM: 'unreachable' };
process.argv.slice(1).forEach(function (target, index) {
  var parts = target.split('/'), began = Date.now(), told = false, socket, timer;
  function tell(outcome, text) {
    if (told) return;
    told = true;
    clearTimeout(timer);
    console.log(index + ' ' + outcome + ' ' + (Date.now() - began) + ' ' + (text || ''));
    if (socket && socket.destroy) socket.destroy();
    else if (socket && socket.close) socket.close();
  }
  function fail(error) { tell(codes[error.code] || 'failed', error.code || error.message); }
  if (parts[0] === 'TCP') {
    timer = setTimeout(function () { tell('timeout'); }, ${String(seconds * 1000)});
    socket = net.connect({ host: parts[1], port: Number(parts[2]) }, function () { tell('connected'); });
    socket.on('error', fail);
  } else if (parts[0] === 'UDP' && dgram.Socket.prototype.connect) {
    timer = setTimeout(function () { tell('noReply'); }, ${String(datagramSeconds * 1000)});
    socket = dgram.createSocket(parts[1].indexOf(':') < 0 ? 'udp4' : 'udp6');
    socket.on('error', fail);
    socket.on('message', function () { tell('answered'); });
    socket.connect(Number(parts[2]), parts[1], function (error) { if (error) fail(error); else socket.send('', function (problem) { if (problem) fail(problem); }); });
  } else tell('untried', 'this Node.js has no ' + parts[0]);
});
`;

const python = `
import errno, socket, sys, threading, time
codes = {errno.ECONNREFUSED: 'refused', errno.ETIMEDOUT: 'timeout', errno.EHOSTUNREACH: 'unreachable', errno.ENETUNREACH: 'unreachable', errno.EACCES: 'unreachable', errno.EPERM: 'unreachable'}
lock = threading.Lock()
def attempt(index, target):
    protocol, address, port = target.split('/')
    began = time.time()
    text = ''
    try:
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        if protocol == 'TCP':
            made = socket.socket(family, socket.SOCK_STREAM)
            made.settimeout(${String(seconds)})
            made.connect((address, int(port)))
            outcome = 'connected'
        elif protocol == 'UDP':
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.settimeout(${String(datagramSeconds)})
            made.connect((address, int(port)))
            made.send(b'')
            try:
                made.recv(1)
                outcome = 'answered'
            except socket.timeout:
                outcome = 'noReply'
        else:
            outcome, text = 'untried', 'not by python3'
    except socket.timeout:
        outcome = 'timeout'
    except OSError as error:
        outcome = codes.get(error.errno, 'failed')
        text = errno.errorcode.get(error.errno, str(error))
    with lock:
        sys.stdout.write('%d %s %d %s\\n' % (index, outcome, (time.time() - began) * 1000, text))
        sys.stdout.flush()
threads = [threading.Thread(target=attempt, args=each) for each in enumerate(sys.argv[1:])]
for each in threads: each.start()
for each in threads: each.join()
`;

/**
 * For shells: what a program says of connect(2), in the C locale, is the text of its error number, of glibc or of musl.
 * $1 is the exit status of the command, $2 its output.
 */
const outcomeOfText = `
outcome() {
  if [ "$1" = 0 ]; then echo connected; return; fi
  case "$2" in
    *'onnection refused'*) echo refused ;;
    *'imed out'*|*'timeout'*) echo timeout ;;
    *'o route to host'*|*'etwork is unreachable'*|*'etwork unreachable'*|*'ost is unreachable'*|*'peration not permitted'*) echo unreachable ;;
    # A program without IPv6 takes such an address for a name.
    *'forward host lookup failed'*|*'bad address'*) echo untried ;;
    *) echo failed ;;
  esac
}
said() { printf '%s' "$1" | tr -s '\\n\\r\\t ' '    ' | cut -c1-150; }
export LC_ALL=C
`;

const bash = `
${outcomeOfText}
attempt() {
  index=$1; IFS=/ read -r protocol address port <<<"$2"
  if [ "$protocol" != TCP ]; then echo "$index untried 0 bash reports nothing of $protocol"; return; fi
  began=$EPOCHREALTIME
  text=$( ( exec 3<>"/dev/tcp/$address/$port" ) 2>&1 & child=$!; ( sleep ${String(seconds)}; kill "$child" ) >/dev/null 2>&1 & killer=$!; wait "$child"; status=$?; kill "$killer" 2>/dev/null; exit "$status" )
  status=$?
  ended=$EPOCHREALTIME
  took=0; [ -n "$began" ] && took=$(( (\${ended/[.,]/} - \${began/[.,]/}) / 1000 ))
  if [ "$status" -gt 128 ]; then echo "$index timeout $took"; else echo "$index $(outcome "$status" "$text") $took $([ "$status" = 0 ] || said "$text")"; fi
}
index=0
for target in "$@"; do attempt "$index" "$target" & index=$((index + 1)); done
wait
`;

/** busybox, OpenBSD and traditional nc have -w alone in common: without -z, an empty input ends the connection. */
const nc = `
command -v nc >/dev/null || exit 0
${outcomeOfText}
attempt() {
  index=$1; protocol=\${2%%/*}; rest=\${2#*/}; address=\${rest%/*}; port=\${rest##*/}
  if [ "$protocol" != TCP ]; then echo "$index untried 0 nc reports nothing of $protocol"; return; fi
  began=$(date +%s)
  text=$(nc -z -v -w ${String(seconds)} "$address" "$port" </dev/null 2>&1); status=$?
  case "$text" in *[Uu]sage*|*'nvalid option'*|*'nrecognized option'*) text=$(nc -w ${String(seconds)} "$address" "$port" </dev/null 2>&1 >/dev/null); status=$? ;; esac
  took=$(( $(date +%s) - began ))
  word=$(outcome "$status" "$text")
  if [ "$word" = failed ] && [ "$took" -ge ${String(seconds)} ]; then word=timeout; fi
  echo "$index $word $((took * 1000)) $([ "$status" = 0 ] || said "$text")"
}
index=0
for target in "$@"; do attempt "$index" "$target" & index=$((index + 1)); done
wait
`;

/** telnet: is the one scheme of curl that sends nothing by itself. */
const curl = `
command -v curl >/dev/null || exit 0
curl --version | grep -q '\\btelnet\\b' || exit 0
${outcomeOfText}
attempt() {
  index=$1; protocol=\${2%%/*}; rest=\${2#*/}; address=\${rest%/*}; port=\${rest##*/}
  if [ "$protocol" != TCP ]; then echo "$index untried 0 curl reports nothing of $protocol"; return; fi
  case "$address" in *:*) address="[$address]" ;; esac
  began=$(date +%s)
  text=$(curl -v -s --noproxy '*' --connect-timeout ${String(seconds)} -m 3 -o /dev/null -w 'svctrace-connected %{time_connect}\\n' "telnet://$address:$port" </dev/null 2>&1)
  took=$(( $(date +%s) - began ))
  case "$text" in
    *'svctrace-connected 0.000000'*) word=$(outcome 1 "$text") ;;
    *'svctrace-connected '*) word=connected ;;
    *) word=failed ;;
  esac
  echo "$index $word $((took * 1000)) $([ "$word" != failed ] || said "$text")"
}
index=0
for target in "$@"; do attempt "$index" "$target" & index=$((index + 1)); done
wait
`;

export const connectTools: readonly ConnectTool[] = [
  { name: 'node', argv: ['node', '-e', node, '--'] },
  { name: 'python3', argv: ['python3', '-c', python] },
  { name: 'bash', argv: ['bash', '-c', bash, 'svctrace'] },
  { name: 'nc', argv: ['sh', '-c', nc, 'svctrace'] },
  { name: 'curl', argv: ['sh', '-c', curl, 'svctrace'] },
];
