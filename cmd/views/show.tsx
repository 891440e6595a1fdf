/** Draws the live view on the terminal's other screen, and gives the terminal back on every way out. */
import { render } from 'ink';
import type { ReactElement } from 'react';
import { paletteOf } from '../tables/paint.ts';
import type { ServiceChoice } from './service-choices.ts';
import type { TraceSource } from '../sources/source.ts';
import { copySequence } from './clipboard.ts';
import { LiveApp, type LiveAppProps } from './live-app.tsx';
import { Picker, type PickerProps } from './picker.tsx';
import { createTheme, type Theme } from './state/theme.ts';

const homeAndErase = '\u001b[H\u001b[2J';

/** After the last of several changes of size, which a window that is drawn larger sends one after the other, in milliseconds. */
const settledAfter = 50;

/**
 * The wheel sends arrow keys while the other screen is shown (xterm's alternateScroll, DECSET 1007). Tracking the mouse
 * itself would take from the user what terminals do with it: selecting text.
 */
const wheelAsArrows = '\u001b[?1007h';
const wheelOff = '\u001b[?1007l';

/**
 * Whoever comes here has a terminal on both ends; by itself, ink would draw nothing where the environment has CI. A key
 * that comes just after a frame waits for the next one: at ink's own 30 frames a second, that would be 33 ms.
 */
export const renderOptions = {
  alternateScreen: true,
  exitOnCtrlC: false,
  incrementalRendering: true,
  interactive: true,
  maxFps: 100,
} as const;

/** The Service that the user chooses; undefined where the user leaves. */
export async function pickService(
  props: Omit<PickerProps, 'theme' | 'onChoice'>,
  { useColor, signal }: { readonly useColor: boolean; readonly signal: AbortSignal },
): Promise<ServiceChoice | undefined> {
  let choice: ServiceChoice | undefined;
  await shown(
    <Picker
      {...props}
      theme={themeOf(useColor)}
      onChoice={(service) => {
        choice = service;
      }}
    />,
    signal,
  );
  return choice;
}

/** @throws what the source throws, after the terminal is given back */
export async function showLive(
  source: TraceSource,
  {
    useColor,
    signal,
    start,
  }: { readonly useColor: boolean; readonly signal: AbortSignal; readonly start?: NonNullable<LiveAppProps['start']> },
): Promise<void> {
  await shown(
    <LiveApp
      source={source}
      theme={themeOf(useColor)}
      copy={(text) => {
        process.stdout.write(copySequence(text));
      }}
      {...(start === undefined ? {} : { start })}
    />,
    signal,
  );
}

function themeOf(useColor: boolean): Theme {
  return createTheme(useColor, paletteOf(process.stdout, process.env));
}

async function shown(screen: ReactElement, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const giveWheelBack = (): void => {
    process.stdout.write(wheelOff);
  };
  // Also where this process ends in the midst of it.
  process.once('exit', giveWheelBack);
  process.stdout.write(wheelAsArrows);
  const app = render(screen, renderOptions);
  const stop = (): void => {
    app.unmount();
  };
  // ink writes the lines that changed since its last frame; a terminal that changed its size meanwhile has moved the others.
  let settling: NodeJS.Timeout | undefined;
  const repaint = (): void => {
    clearTimeout(settling);
    settling = setTimeout(() => {
      app.clear();
      process.stdout.write(homeAndErase);
      app.rerender(screen);
    }, settledAfter);
  };
  process.stdout.on('resize', repaint);
  signal.addEventListener('abort', stop);
  // A terminal that closes without a signal ends what is typed.
  process.stdin.once('end', stop);
  try {
    await app.waitUntilExit();
  } finally {
    clearTimeout(settling);
    process.stdout.removeListener('resize', repaint);
    signal.removeEventListener('abort', stop);
    process.stdin.removeListener('end', stop);
    process.removeListener('exit', giveWheelBack);
    giveWheelBack();
  }
  signal.throwIfAborted();
}
