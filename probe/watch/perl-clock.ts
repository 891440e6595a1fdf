/**
 * What the programs in perl share that hear what the kernel reports: the node's clocks, and waiting for input with a bound of how
 * long ago it came.
 */

/** The number of clock_gettime, where Node and the kernel are of one architecture. */
const systemCalls: Partial<Record<NodeJS.Architecture, number>> = { x64: 228, arm64: 113, riscv64: 113, s390x: 260 };

/** The first argument of a program that has the text below. */
export const clockCall = String(systemCalls[process.arch] ?? '');

/**
 * `now(0)`: nanoseconds since 1970, `now(1)`: of the monotonic clock. `wait_for(timeout, handles)`: what is ready, as select
 * says it, and how long ago it can have come at most; undef where that is not known, because it was there before it was waited for. The
 * kernel counts how long this program waited for a CPU (/proc/self/schedstat; Documentation/scheduler/sched-stats.rst): so much,
 * and four milliseconds that it does not count: a virtual CPU that its host gave to another one, and a wake-up on its way to another CPU.
 */
export const perlClock = String.raw`
open(my $statistics, "<", "/proc/self/schedstat");
sub now {
  my $time = pack("qq", 0, 0);
  syscall($ARGV[0] + 0, $_[0], $time) == 0 or die "clock: $!\n";
  my ($seconds, $rest) = unpack("qq", $time);
  return $seconds * 1000000000 + $rest;
}
sub waited {
  defined $statistics && sysseek($statistics, 0, 0) && sysread($statistics, my $text, 100) or return undef;
  return (split " ", $text)[1];
}
sub wait_for {
  my ($timeout, @handles) = @_;
  my $wanted = "";
  vec($wanted, fileno($_), 1) = 1 for @handles;
  my $ready = $wanted;
  if (select($ready, undef, undef, 0) > 0) { return ($ready, undef) }
  my $before = waited();
  $ready = $wanted;
  select($ready, undef, undef, $timeout) > 0 or return ("", undef);
  my $after = waited();
  return ($ready, defined $before && defined $after ? $after - $before + 4000000 : undef);
}
sub milliseconds { return sprintf("%d.%06d", int($_[0] / 1000000), $_[0] % 1000000) }
sub stamps { return join(" ", map { milliseconds($_) } @_) }
`;
