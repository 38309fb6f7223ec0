// A headless Chromium that says what it asked and what went wrong, and what is hard to use on a page.
import { chromium } from "playwright-core";
import axe from "axe-core";

const quiet = ["disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"];

export async function opened(options = {}) {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", ...quiet.map((name) => `--${name}`)] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ...options });
  const asked = new Set(), problems = [];
  page.on("request", (request) => asked.add(new URL(request.url()).hostname));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error" && !/net::ERR/.test(message.text())) problems.push(message.text()); });
  return { browser, page, asked, problems };
}

export async function judged(page) {
  const rules = [];
  for (const [colorScheme, width] of [["light", 1280], ["dark", 320]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 800 });
    await page.evaluate(axe.source);
    rules.push(...(await page.evaluate(() => axe.run())).violations.map(({ id, nodes }) => `${colorScheme} ${id} ${nodes[0].html}`));
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) rules.push(`${width} is too narrow`);
  }
  return rules;
}
