/** The choice of a Service: what is listed, how it is searched, and the result of a choice. */
import { cleanup, render } from 'ink-testing-library';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { healthCell, listChoices, type ServiceChoice } from '../../../cmd/views/service-choices.ts';
import { ApiError } from '../../../cmd/cluster/api.ts';
import { Picker, PickerView } from '../../../cmd/views/picker.tsx';
import { createTheme } from '../../../cmd/views/state/theme.ts';
import { exampleTrace, withStatus } from '../../support/example-trace.ts';

afterEach(() => {
  cleanup();
});

const service = (name: string, extra: Partial<ServiceChoice> = {}): ServiceChoice => ({
  namespace: 'default',
  name,
  type: 'ClusterIP',
  clusterIP: '10.96.0.7',
  ports: ['80/TCP'],
  selectsPods: true,
  endpoints: 3,
  readyEndpoints: 3,
  ...extra,
});
const services = [
  service('auth-service'),
  service('kubernetes', { selectsPods: false }),
  service('shop-cart', { readyEndpoints: 0 }),
];

describe('health at a glance', () => {
  it.each([
    ['all ready, no trace', service('a'), 'endpoints ready'],
    [
      'all ready, and a trace without findings',
      service('a', {
        trace: withStatus({ summary: { nodes: '3/3', endpoints: '3/3', findings: 0, errors: 0, warnings: 0 } }),
      }),
      'ok',
    ],
    [
      'a trace with errors',
      service('a', {
        trace: withStatus({ summary: { nodes: '3/3', endpoints: '3/3', findings: 2, errors: 2, warnings: 0 } }),
      }),
      '2 errors',
    ],
    ['none ready', service('a', { readyEndpoints: 0 }), 'none ready'],
    ['some not ready', service('a', { readyEndpoints: 2 }), 'some not ready'],
    ['no endpoint', service('a', { endpoints: 0, readyEndpoints: 0 }), 'no endpoint'],
    ['an alias', service('a', { type: 'ExternalName' }), 'alias in DNS'],
  ])('%s', (_name, choice, text) => {
    expect(healthCell(choice).text).toBe(text);
  });

  it('is unknown where slices may not be read', () => {
    expect(healthCell({ namespace: 'default', name: 'a', type: 'ClusterIP', ports: [], selectsPods: true })).toEqual({
      text: 'endpoints unknown',
      tone: 'warning',
    });
  });
});

describe('listChoices', () => {
  it('joins the newest trace of each Service, and lists without the CRD too', async () => {
    const older = withStatus({ collectedAt: '2026-11-24T10:00:00Z' });
    const listServicesWithEndpoints = async (): Promise<ServiceChoice[]> => [...services].reverse();
    const joined = await listChoices(
      { listServicesWithEndpoints, listTraces: async () => [older, exampleTrace] },
      undefined,
    );
    expect(joined.map(({ name }) => name)).toEqual(['auth-service', 'kubernetes', 'shop-cart']);
    expect(joined[0]?.trace).toBe(exampleTrace);
    const withoutCrd = await listChoices(
      {
        listServicesWithEndpoints,
        listTraces: async () => {
          throw new ApiError(404, 'NotFound', 'the server could not find the requested resource', undefined);
        },
      },
      'default',
    );
    expect(withoutCrd.every(({ trace }) => trace === undefined)).toBe(true);
  });
});

describe('the picker', () => {
  function open(list: (isEverywhere: boolean) => Promise<readonly ServiceChoice[]> = async () => services): {
    see: (text: string) => Promise<void>;
    press: (keys: string) => void;
    screen: () => string;
    choices: (string | undefined)[];
  } {
    const choices: (string | undefined)[] = [];
    const app = render(
      <Picker
        isEverywhere={false}
        list={async (isEverywhere) => ({ namespace: 'default', services: await list(isEverywhere) })}
        theme={createTheme(false)}
        onChoice={(choice) => {
          choices.push(choice?.name);
        }}
      />,
    );
    const screen = (): string => app.lastFrame() ?? '';
    return {
      screen,
      choices,
      press: (keys) => {
        app.stdin.write(keys);
      },
      see: (text) =>
        vi.waitFor(
          () => {
            expect(screen()).toContain(text);
          },
          { timeout: 5000 },
        ),
    };
  }

  it('lists at once, and finds by any letters', async () => {
    const { see, press, screen, choices } = open();
    await see('▸ default    auth-service');
    expect(screen()).toContain('none ready');
    press('spcrt');
    await see('1 of 3');
    await see('▸ default    shop-cart');
    press('\r');
    await vi.waitFor(() => {
      expect(choices).toEqual(['shop-cart']);
    });
  });

  it('takes letters and Enter that come in one piece', async () => {
    const { see, press, choices } = open();
    await see('auth-service');
    press('spcrt\r');
    await vi.waitFor(() => {
      expect(choices).toEqual(['shop-cart']);
    });
  });

  it('Esc takes back what was typed, then leaves', async () => {
    const { see, press, choices } = open();
    await see('auth-service');
    press('zzz');
    await see('has these letters');
    press('\u001b');
    await see('Services of namespace default: 3');
    press('\u001b');
    await vi.waitFor(() => {
      expect(choices).toEqual([undefined]);
    });
  });

  it('Tab lists all namespaces', async () => {
    const asked: boolean[] = [];
    const { see, press } = open(async (isEverywhere) => {
      asked.push(isEverywhere);
      return isEverywhere ? [...services, service('dns', { namespace: 'kube-system' })] : services;
    });
    await see('auth-service');
    press('\t');
    await see('kube-system');
    expect(asked).toEqual([false, true]);
  });

  it('says whole what is forbidden, with the role that gives it', () => {
    const problem =
      'User "jane" may not list services in namespace "default" (kubectl auth can-i list services -n default); an administrator gives it with: kubectl create role svctrace-list-services --verb=list --resource=services -n default && kubectl create rolebinding svctrace-list-services --role=svctrace-list-services --user=jane -n default.';
    const frame =
      render(
        <PickerView
          state={{ typed: '', chosen: 0, isEverywhere: false, namespace: 'default', problem }}
          size={{ columns: 80, rows: 24 }}
          theme={createTheme(false)}
        />,
      ).lastFrame() ?? '';
    expect(frame.split('\n')).toHaveLength(24);
    expect(frame.replaceAll(/\s+/g, ' ')).toContain(`✖ ${problem}`);
  });

  it('says why Services cannot be listed', async () => {
    const { see } = open(async () => {
      throw new Error('You may not list services');
    });
    await see('✖ You may not list services');
  });
});
