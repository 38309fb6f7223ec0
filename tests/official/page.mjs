// Uses the page as a person does. Argument: {url, picture}. It says on standard output how far it is, one word a line,
// and goes on at each line of standard input; at the end it prints what it saw as JSON.
import { createInterface } from "node:readline";
import { judged, opened } from "./browser.mjs";

const { url, picture } = JSON.parse(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const pause = async (word) => { process.stdout.write(word + "\n"); await lines.next(); };
const { browser, page, asked, problems } = await opened();
try {
  const said = () => page.locator("#log p:not(.note)").allTextContents();
  const heard = (count) => page.waitForFunction((n) => document.querySelectorAll("#log p.cj").length >= n, count, { timeout: 60000 });
  const idle = () => page.waitForFunction(() => document.getElementById("stop").disabled, null, { timeout: 60000 });
  await page.goto(url);
  await page.waitForSelector("body[data-ready]");
  await page.selectOption("#size", "tiny");
  await page.click("text=Connect a development store");
  await heard(1);
  await idle();
  // The second message is slow to leave: the third must not overtake it.
  await page.route("**/events", async (route) => {
    if (route.request().postData().includes("And orders?"))
      await page.waitForFunction(() => [...document.querySelectorAll("#log p.own")].some((p) => p.textContent === "Thank you!"));
    await route.continue();
  });
  // By the keyboard alone.
  await page.focus("#text");
  for (const text of ["How many customers do I have?", "And orders?", "Thank you!"]) {
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
  }
  await idle();
  const before = await said();
  if (picture) await page.screenshot({ path: picture });
  const stopped = page.evaluate(() => new Promise((done) => { // as soon as it can be clicked: an answer may take 0.1 s
    const stop = document.getElementById("stop");
    new MutationObserver((_, observer) => {
      if (stop.disabled) return;
      observer.disconnect();
      stop.click();
      done();
    }).observe(stop, { attributes: true });
  }));
  await page.fill("#text", "Tell me about my week.");
  await page.keyboard.press("Enter");
  await stopped;
  await idle();
  await page.fill("#text", "Is anything running low?");
  await page.keyboard.press("Enter");
  await pause("kill");
  await idle();
  const shown = await said();
  await page.reload();
  await page.waitForFunction((n) => document.querySelectorAll("#log p:not(.note)").length >= n, shown.length, { timeout: 60000 });
  await idle();
  const again = await said();
  await page.waitForSelector("#timeline td");
  const timeline = await page.locator("#timeline").textContent();
  const rules = await judged(page);
  process.stdout.write(JSON.stringify({ before, shown, again, timeline, rules, problems, asked: [...asked] }) + "\n");
} finally {
  await browser.close();
}
