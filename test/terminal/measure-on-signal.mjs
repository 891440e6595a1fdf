// Loaded into the plugin by the soak: at SIGUSR2, says how much is on the heap after all garbage is gone, and how many listeners there are.
import { appendFileSync } from 'node:fs';

const file = process.env['SVCTRACE_MEASUREMENTS'] ?? '';
process.on('SIGUSR2', () => {
  // Twice: what finalizers let go is garbage only then.
  globalThis.gc();
  setImmediate(() => {
    globalThis.gc();
    const emitters = [process, process.stdin, process.stdout, process.stderr];
    const listeners = emitters.reduce(
      (sum, emitter) => sum + emitter.eventNames().reduce((count, name) => count + emitter.listenerCount(name), 0),
      0,
    );
    appendFileSync(file, `${process.memoryUsage().heapUsed} ${listeners}\n`);
  });
});
