// Uses the operators' console by the keyboard. Argument: {url, password, picture}. Prints what it saw as JSON.
import { judged, opened } from "./browser.mjs";

const { url, password, picture } = JSON.parse(process.argv[2]);
const { browser, page, asked, problems } = await opened({ httpCredentials: { username: "cj", password } });
try {
  await page.goto(url);
  await page.waitForSelector("body[data-ready]");
  await page.focus("#name");
  await page.keyboard.type("acme.myshopify.com");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#timeline .bar");
  const text = (id) => page.locator(`#${id}`).innerText();
  const seen = {};
  for (const id of ["problems", "waiting", "speeds", "queues", "whose", "reasons", "conversations", "timeline", "refused", "failed", "privacy"]) seen[id] = await text(id);
  const bars = await page.locator("#timeline .bar").evaluateAll((all) => all.map((bar) => [parseFloat(bar.style.marginLeft), parseFloat(bar.style.width)]));
  const rules = await judged(page);
  if (picture) await page.setViewportSize({ width: 1280, height: 1400 });
  if (picture) await page.screenshot({ path: picture, fullPage: true });
  for (const what of ["refused", "failed"]) {
    await page.focus(`#${what} td:last-child button`);
    await page.keyboard.press("Enter");
    await page.waitForFunction((id) => !document.querySelector(`#${id} table`), what, { timeout: 20000 });
    seen[`${what} then`] = await text("said");
  }
  const markup = await page.locator("b").count();
  process.stdout.write(JSON.stringify({ seen, bars, rules, problems, markup, asked: [...asked] }) + "\n");
} finally {
  await browser.close();
}
