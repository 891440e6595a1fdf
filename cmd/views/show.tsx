/** Draws the live view on the terminal's other screen, and gives the terminal back on every way out. */
import { render } from 'ink';
import type { TraceSource } from '../source.ts';
import { LiveApp } from './live-app.tsx';
import { createTheme } from './theme.ts';

/** @throws what the source throws, after the terminal is given back */
export async function showLive(source: TraceSource, { useColor, signal }: { readonly useColor: boolean; readonly signal: AbortSignal }): Promise<void> {
  signal.throwIfAborted();
  // Whoever comes here has a terminal on both ends; by itself, ink would draw nothing where the environment has CI.
  const options = { alternateScreen: true, exitOnCtrlC: false, incrementalRendering: true, interactive: true };
  const app = render(<LiveApp source={source} theme={createTheme(useColor)} />, options);
  const stop = (): void => { app.unmount(); };
  signal.addEventListener('abort', stop);
  try {
    await app.waitUntilExit();
  } finally {
    signal.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
}
