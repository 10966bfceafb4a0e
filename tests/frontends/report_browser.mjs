// A report in headless Chromium with the network off: what a reader sees, with the eyes of a test.
//
//     node tests/frontends/report_browser.mjs MODULES PAGE.html CHARTS SLIDERS [PICTURES]
//
// MODULES is a folder where `npm ci` has installed package.json of this folder; CHARTS and SLIDERS say how many the page must have;
// PICTURES is a folder for screenshots. CHROMIUM names the browser (/usr/bin/chromium by default). Prints "passed", or what is wrong.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, page, charts, sliders, pictures] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const problems = [];
const expect = (holds, what) => { if (!holds) problems.push(what); };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--host-resolver-rules=MAP * ~NOTFOUND'],
});
try {
  for (const width of [400, 1600]) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, offline: true });
    const tab = await context.newPage();
    const at = `at ${width} pixels: `;
    const url = pathToFileURL(resolve(page)).href;
    tab.on('console', m => { if (['error', 'warning'].includes(m.type())) problems.push(`${at}console: ${m.text()}`); });
    tab.on('pageerror', e => problems.push(`${at}script: ${e.message}`));
    tab.on('dialog', d => { problems.push(`${at}a dialog opened: ${d.message()}`); d.dismiss(); });
    tab.on('request', r => { if (r.url() !== url && !/^(data|blob):/.test(r.url())) problems.push(`${at}asks for ${r.url()}`); });
    await tab.goto(url, { waitUntil: 'load' });

    // Every chart is drawn, with at least one line or bar of its own.
    const drawn = await tab.locator('.chart').evaluateAll(all => all.map(c => c.querySelectorAll('svg .trace, svg .scatterlayer .js-line, svg .barlayer .point').length));
    expect(drawn.length === Number(charts), `${at}${drawn.length} charts, not ${charts}`);
    expect(drawn.every(n => n > 0), `${at}charts without traces: ${drawn}`);

    // Everything folded is opened: it must fit too.
    await tab.evaluate(() => document.querySelectorAll('details').forEach(d => { d.open = true; }));
    const wide = await tab.evaluate(() => ({ page: document.documentElement.scrollWidth, window: document.documentElement.clientWidth }));
    expect(wide.page <= wide.window, `${at}the page is ${wide.page} pixels wide`);

    // Sliders are reached by Tab, and the arrows change the picture.
    const ranges = await tab.locator('input[type=range]').all();
    expect(ranges.length === Number(sliders), `${at}${ranges.length} sliders, not ${sliders}`);
    for (const range of ranges) {
      const id = await range.getAttribute('id');
      await tab.evaluate(() => document.activeElement?.blur());
      for (let i = 0; i < 500 && await tab.evaluate(() => document.activeElement?.id) !== id; i++) await tab.keyboard.press('Tab');
      expect(await tab.evaluate(() => document.activeElement?.id) === id, `${at}Tab does not reach ${id}`);
      const seen = () => range.evaluate(r => [...r.closest('.slider').querySelectorAll('.frame img')].filter(i => i.checkVisibility()).map(i => i.alt + i.src.length).join('\n'));
      const last = await seen();
      await tab.keyboard.press('ArrowLeft');
      const before = await seen();
      expect(last && before && last !== before, `${at}ArrowLeft does not change the picture of ${id}`);
      await tab.keyboard.press('End');
      expect(await seen() === last, `${at}End does not show the last picture of ${id} again`);
      expect((await range.getAttribute('aria-valuetext'))?.startsWith('step '), `${at}${id} does not say its step`);
    }

    await tab.evaluate(axe);
    const found = await tab.evaluate(() => axe.run());
    for (const v of found.violations.filter(v => ['serious', 'critical'].includes(v.impact)))
      problems.push(`${at}axe: ${v.id} (${v.impact}), ${v.help}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | ')}`);
    if (pictures) await tab.screenshot({ path: join(pictures, `report-${width}.png`), fullPage: true });
    await context.close();
  }
} finally {
  await browser.close();
}
console.log(problems.length ? [...new Set(problems)].join('\n') : 'passed');
process.exitCode = problems.length ? 1 : 0;
