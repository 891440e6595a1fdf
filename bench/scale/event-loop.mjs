/**
 * Loaded by `node --import` before a program that has an IPC channel: answers each message with the longest time for which
 * the event loop was kept from other work since the one before, in milliseconds. Not TypeScript: what strips types would be
 * in the program's memory.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const resolution = 10;
const delay = monitorEventLoopDelay({ resolution });
delay.enable();
process.on('message', () => {
  const heldMilliseconds = Math.max(0, delay.max / 1e6 - resolution);
  delay.reset();
  process.send?.({ heldMilliseconds });
});
process.channel?.unref();
