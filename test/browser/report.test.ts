/** Reports as a browser shows them and prints them, without a network. */
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launch, type Browser, type Page } from 'puppeteer-core';
import { extractText, getDocumentProxy } from 'unpdf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { printReportPage } from '../../cmd/pages/report-page.tsx';
import { buildReport, type ReportContent } from '../../cmd/pages/report-content.ts';
import type { FindingStatus } from '../../core/api/service-trace.ts';
import { driftedBundle, recordedBundle } from '../support/drifted-bundle.ts';
import { findExecutable } from '../cluster/requirements.ts';

const chromium = findExecutable('chromium');
const unavailable =
  chromium === undefined ? 'chromium is not installed (node test/setup/packages.ts installs it)' : undefined;
const written = { writtenAt: '2026-11-24T12:27:30Z', writtenBy: '9.9.9' };
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Many nodes, many findings of every severity, and words that are longer than a line. */
async function crowded(): Promise<ReportContent> {
  const content = await buildReport(driftedBundle(), written);
  const { trace } = content;
  const [node] = trace.status?.nodes ?? [];
  const [finding] = trace.status?.findings ?? [];
  if (node === undefined || finding === undefined) throw new Error('no node or no finding');
  const severities: readonly FindingStatus['severity'][] = ['error', 'warning', 'info'];
  const nodes = Array.from({ length: 60 }, (_, index) => ({
    ...node,
    name: `worker-${String(index)}.${'long-name.'.repeat(8)}example`,
  }));
  const findings = Array.from({ length: 30 }, (_, index): FindingStatus => ({
    ...finding,
    severity: severities[index % 3] ?? 'info',
    message: `finding number ${String(index)} ${'x'.repeat(300)}`,
  }));
  return { ...content, trace: { ...trace, status: { ...trace.status, nodes, findings } } };
}

/** With every severity and mark in it: looked at in dark, too. */
const crowdedName = '60 nodes and 30 findings';

const reports: readonly (readonly [string, () => Promise<ReportContent>])[] = [
  ['a Service with a deleted rule', async () => buildReport(driftedBundle(), written)],
  ['one client', async () => buildReport(driftedBundle(), { ...written, from: { ip: '10.244.1.3' } })],
  ['a Service without endpoints', async () => buildReport(recordedBundle('nobody-home'), written)],
  ['a Service of many ports', async () => buildReport(recordedBundle('many-ports'), written)],
  ['a headless Service', async () => buildReport(recordedBundle('headless'), written)],
  [crowdedName, crowded],
];

const folder = mkdtempSync(join(tmpdir(), 'svctrace-browser-'));
let browser: Browser | undefined;

beforeAll(async () => {
  if (chromium === undefined) return;
  // Root, which containers run tests as, has no sandbox in Chromium.
  browser = await launch({
    executablePath: chromium,
    headless: true,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
});

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

function browserTest(name: string, run: () => Promise<void>): void {
  it(name, async ({ skip }) => (unavailable === undefined ? run() : skip(unavailable)));
}

interface Opened {
  readonly page: Page;
  /** Everything that the browser asked for, and everything that it complained of. */
  readonly requests: readonly string[];
  readonly complaints: readonly string[];
}

async function inBrowser(
  content: ReportContent,
  look: (opened: Opened) => Promise<void>,
  { width = 1280, scheme = 'light' }: { width?: number; scheme?: string } = {},
): Promise<void> {
  if (browser === undefined) throw new Error('no browser');
  const file = join(folder, 'report.html');
  writeFileSync(file, printReportPage(content));
  const page = await browser.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => {
    requests.push(request.url());
  });
  page.on('console', (message) => {
    complaints.push(message.text());
  });
  page.on('pageerror', (error) => {
    complaints.push(String(error));
  });
  try {
    await page.setOfflineMode(true);
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await page.goto(pathToFileURL(file).href, { waitUntil: 'networkidle0' });
    await look({ page, requests, complaints });
  } finally {
    await page.close();
  }
}

/** A script as text: types of a browser are not those of these tests. */
async function ask<Value>(page: Page, script: string, schema: z.ZodType<Value>): Promise<Value> {
  return schema.parse(await page.evaluate(script));
}

const openAll = "document.querySelectorAll('details').forEach((each) => { each.open = true; })";

async function printedText(page: Page): Promise<{ text: string; pages: number }> {
  const pdf = await getDocumentProxy(await page.pdf({ preferCSSPageSize: true }));
  const { text, totalPages } = await extractText(pdf, { mergePages: true });
  return { text: squeezed(text), pages: totalPages };
}

/** Lines are broken anywhere. */
function squeezed(text: string): string {
  return text.replace(/\s+/g, '');
}

describe.each(reports)('a report of %s', (name, make) => {
  browserTest('opens from a file without a network, and the browser has nothing to complain of', async () => {
    await inBrowser(await make(), async ({ page, requests, complaints }) => {
      expect(await page.title()).toMatch(/ in \S+: /);
      expect(requests).toEqual([page.url()]);
      expect(complaints).toEqual([]);
      // The policy lets the page have its own style.
      expect(await ask(page, "getComputedStyle(document.querySelector('.verdict')).borderTopWidth", z.string())).toBe(
        '2px',
      );
    });
  });

  for (const width of [1280, 400])
    browserTest(
      `is not a wider than a window of ${String(width)} pixels, and tables scroll in themselves`,
      async () => {
        await inBrowser(
          await make(),
          async ({ page }) => {
            await page.evaluate(openAll);
            expect(await ask(page, 'document.documentElement.scrollWidth', z.number())).toBeLessThanOrEqual(width);
            const outside =
              "[...document.querySelectorAll('body *')].filter((each) => each.closest('.scroll') === null || each.matches('.scroll')).filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5).map((each) => each.outerHTML.slice(0, 200))";
            expect(await ask(page, outside, z.array(z.string()))).toEqual([]);
          },
          { width },
        );
      },
    );

  for (const scheme of name === crowdedName ? ['light', 'dark'] : ['light'])
    browserTest(`is accessible when it is ${scheme}`, async () => {
      await inBrowser(
        await make(),
        async ({ page }) => {
          await page.evaluate(openAll);
          await page.evaluate(axe);
          const result = await ask(
            page,
            'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html.slice(0, 200), nodes[0].failureSummary]))',
            z.array(z.array(z.string())),
          );
          expect(result).toEqual([]);
        },
        { scheme },
      );
    });

  browserTest('prints with every finding, every folded part, and no table cut', async () => {
    const content = await make();
    await inBrowser(content, async ({ page }) => {
      const { text, pages } = await printedText(page);
      expect(pages).toBeGreaterThan(1);
      const { findings = [], nodes = [] } = content.trace.status ?? {};
      for (const { id, where, message, advice, commands = [], evidence } of findings)
        for (const words of [
          id,
          where,
          message,
          advice.replaceAll('`', ''),
          ...commands.map(({ run }) => run),
          ...evidence,
        ])
          expect(text).toContain(squeezed(words));
      for (const { name } of nodes) expect(text).toContain(name);
      for (const { families } of content.programs)
        for (const rule of families.flatMap(({ stages }) =>
          stages.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules)),
        ))
          expect(text).toContain(squeezed(rule.sentence));
      for (const { sentences, rules, outcome } of (content.clientPath?.packetPaths ?? []).flatMap(({ steps }) => steps))
        for (const words of [...sentences, ...rules.map(({ sentence }) => sentence), ...outcome])
          expect(text).toContain(squeezed(words));
      // On paper nothing scrolls: what is wider than it is cut. A4 is 210 mm wide, with 12 mm at each side; 297 with 10 where it lies.
      await page.emulateMediaType('print');
      for (const [millimetres, within] of [
        [297 - 20, '#picture, #nodes'],
        [210 - 24, 'section:not(#picture, #nodes)'],
      ] as const) {
        await page.setViewport({ width: Math.floor((millimetres / 25.4) * 96), height: 900 });
        const wide = `[...document.querySelectorAll(${JSON.stringify(within)})].flatMap((each) => [...each.querySelectorAll('*')]).filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5).map((each) => each.outerHTML.slice(0, 200))`;
        expect(await ask(page, wide, z.array(z.string()))).toEqual([]);
      }
    });
  });
});

browserTest('is dark where the reader wants that, and light on paper', async () => {
  const background = 'getComputedStyle(document.documentElement).backgroundColor';
  await inBrowser(
    await buildReport(driftedBundle(), written),
    async ({ page }) => {
      expect(await ask(page, background, z.string())).toBe('rgb(17, 21, 26)');
      await page.emulateMediaType('print');
      expect(await ask(page, background, z.string())).toBe('rgb(255, 255, 255)');
    },
    { scheme: 'dark' },
  );
});

browserTest('shows the whole picture at once where the reader wants that', async () => {
  await inBrowser(await buildReport(recordedBundle('many-ports'), written), async ({ page }) => {
    const hidden =
      "(() => { const { scrollWidth, clientWidth } = document.querySelector('.picture'); return scrollWidth - clientWidth; })()";
    expect(await ask(page, hidden, z.number())).toBeGreaterThan(0);
    await page.click('.fit input');
    expect(await ask(page, hidden, z.number())).toBe(0);
  });
});

browserTest('is a page whose policy stops a script, even if one came into it', async () => {
  const content = await buildReport(driftedBundle(), written);
  await inBrowser(
    {
      ...content,
      picture:
        '<img src="http://127.0.0.1:9/x" onerror="document.title=\'taken\'"><script>document.title = "taken"</script>',
    },
    async ({ page, complaints }) => {
      expect(await page.title()).toBe('auth-service in default: 1 error, 0 warnings');
      expect(complaints.join('\n')).toContain('Content Security Policy');
    },
  );
});
