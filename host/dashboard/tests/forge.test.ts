// Forge's face in a real browser: things are broken and load is changed from the pages.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import { Hands, type Forge } from "./support/hands.ts";
import { axe, go, launch, link, open, picture, type Opened } from "./support/page.ts";

/** A node that is lost has to be seen so soon. */
const SEEN_MAX_MS = 2_000;
const LOAD = '[[targets]]\nname = "look"\npath = "/web"\nrate = "40/s"\n';

let hands: Hands;
let browser: Browser;
let forge: Forge;

before(async () => {
  hands = new Hands();
  browser = await launch();
  forge = await hands.forge(3, LOAD);
});

after(async () => {
  await browser?.close();
  hands?.close();
});

/** By the address that Forge prints. */
async function inside(title: string, options = {}): Promise<Opened> {
  const opened = await open(browser, forge.address, { ...options, hash: `#key=${forge.key}` });
  await link(opened.page, "live");
  await go(opened.page, title);
  return opened;
}

const node = (page: Page, number: number): Locator => page.locator(`tr[data-row="node-${number}"]`);
const button = (page: Page, name: string): Locator =>
  page.getByRole("button", { name, exact: true });

/** Waits until what the page shows there is as wanted. */
async function shows(where: Locator, wanted: (text: string) => boolean): Promise<void> {
  for (;;) {
    if (wanted((await where.textContent()) ?? "")) return;
    await where.page().waitForTimeout(50);
  }
}

test("the printed address opens it, and keeps the key to itself", async () => {
  const { page, complaints } = await inside("Chaos");
  assert.ok(!page.url().includes(forge.key), page.url());
  await page.reload();
  await link(page, "live");
  await button(page, "Forget key").click();
  await page.getByText("has printed an address with the key").waitFor();
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("a node is killed from the page and seen to be gone, then started again", async () => {
  const { page, complaints } = await inside("Overview");
  await page.getByRole("img", { name: /Requests per second/ }).waitFor();
  await go(page, "Chaos");
  await button(page, "Kill node 3").focus();
  const gone = node(page, 3).getByText("NO ANSWER").waitFor();
  const began = performance.now();
  await page.keyboard.press("Enter");
  await gone;
  const took = performance.now() - began;
  assert.ok(took < SEEN_MAX_MS, `it took ${took} ms`);
  await node(page, 3).getByText("down").waitFor();
  await page.getByRole("status").filter({ hasText: "The process of node 3 is down" }).waitFor();
  const focused = await page.evaluate(() => document.activeElement?.ariaLabel);
  assert.equal(focused, "Kill node 3", "the keyboard stays where it was");
  await page.getByRole("table", { name: "What was done" }).getByText("node 3 killed").waitFor();
  await page.getByRole("img", { name: /Sent per second.* In this time: node 3 killed/ }).waitFor();
  await go(page, "Overview");
  await page.getByRole("region", { name: /UNHEALTHY/ }).waitFor();
  await page.getByRole("img", { name: /Requests per second.*node 3 killed/ }).waitFor();
  await picture(page, "forge-node-lost");
  await go(page, "Chaos");
  await button(page, "Start node 3").click();
  await node(page, 3).getByText("ON_DUTY").waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("the page goes on with another node when its own is stopped", async () => {
  const { page } = await inside("Nodes");
  const own = page.getByRole("article", { name: /this one/ }).getByRole("heading");
  const first = await own.textContent();
  await go(page, "Chaos");
  await button(page, "Stop node 1").click();
  await node(page, 1).getByText("stopped").waitFor();
  await node(page, 1).getByText("NO ANSWER").waitFor();
  await link(page, "live");
  await go(page, "Nodes");
  assert.notEqual(await own.textContent(), first);
  await go(page, "Chaos");
  await button(page, "Resume node 1").click();
  await node(page, 1).getByText("ON_DUTY").waitFor();
  await page.context().close();
});

test("faults begin, show their time and end by themselves or when told to", async () => {
  const { page, complaints } = await inside("Chaos");
  const what = page.getByLabel("What", { exact: true });
  await what.selectOption("Latency");
  await page.getByRole("group", { name: "One side" }).getByLabel("node 1").check();
  const begin = button(page, "Begin");
  await begin.click();
  await page.getByRole("alert").filter({ hasText: "two groups of different nodes" }).waitFor();
  await page.getByRole("group", { name: "Other side" }).getByLabel("node 2").check();
  await page.getByLabel("For", { exact: true }).fill("3s");
  await begin.click();
  const latency = "50ms of latency between node 1 and node 2";
  const row = page.getByRole("table", { name: "Faults in force" }).getByRole("row", { name: latency });
  await row.getByText(/^[123] s$/).waitFor();
  await page.getByRole("img", { name: new RegExp(`Time from when.*${latency}`) }).waitFor();
  await picture(page, "forge-fault");
  await row.waitFor({ state: "detached" });
  await page.getByRole("status").filter({ hasText: `Fault has ended: ${latency}` }).waitFor();

  // One of two is ended; the other one stays.
  await what.selectOption("Slow calls");
  await page.getByLabel("For", { exact: true }).fill("10m");
  await page.getByLabel("How much longer").fill("300ms");
  await begin.click();
  await what.selectOption("Busy processors");
  await page.getByLabel("Threads").fill("1");
  await begin.click();
  const slow = page.getByLabel("End: calls to t:web take 300ms longer");
  const busy = page.getByLabel("End: 1 threads of node 1 do nothing but run");
  await Promise.all([slow.waitFor(), busy.waitFor()]);
  const p50 = page.getByText(/^p50 /).first();
  await shows(p50, (text) => /p50 3\d\d ms/.test(text));
  await slow.press("Enter");
  await slow.waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement?.id), "in-force");
  await shows(p50, (text) => !/p50 3\d\d ms/.test(text));
  assert.equal(await busy.count(), 1);
  await busy.click();
  await page.getByText("Nothing is made to go wrong.").waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("the load is steered while it runs, ended, and replaced", async () => {
  const { page, complaints } = await inside("Load");
  const now = page.getByRole("region", { name: /The load is running/ });
  const sent = now.locator("dd").first();
  await page.getByLabel("Times the rates of its file").fill("2.5");
  await page.keyboard.press("Enter");
  await shows(sent, (text) => text === "100/s");
  await button(page, "Half").click();
  await page.getByText("1.25 × the rates of its file").waitFor();
  await button(page, "Pause").click();
  await page.getByRole("region", { name: /The load is paused/ }).waitFor();
  await button(page, "Resume").click();
  await now.waitFor();
  const look = page.locator('tr[data-row="look"]');
  await look.getByText(/^\d+ × 200/).waitFor();
  await button(page, "Stop").click();
  await page.getByRole("region", { name: /The load is over/ }).waitFor();
  const text = page.getByLabel("Targets, as in a load.toml");
  assert.equal(await text.inputValue(), LOAD);
  await text.fill(LOAD.replace("rate", "rat"));
  await button(page, "Start").click();
  await page.getByRole("alert").filter({ hasText: "there is no key `rat` here" }).waitFor();
  await text.fill(LOAD.replace('"/web"', '"/nowhere"'));
  await button(page, "Start").click();
  await now.waitFor();
  await look.getByText(/^\d+ × 404$/).waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("sources that cannot be rolled out are said to on every page, until they can", async () => {
  const { page, complaints } = await inside("Chaos");
  const blueprint = join(forge.folder, "blueprint.toml");
  const text = await readFile(blueprint, "utf8");
  await writeFile(blueprint, `${text}nonsense = 1\n`);
  const banner = page.getByRole("alert").filter({ hasText: "there is no key `nonsense` here" });
  await banner.waitFor();
  await go(page, "Deployments");
  await banner.getByText("what was there goes on serving").waitFor();
  await page.getByText("ACTIVE").first().waitFor();
  assert.deepEqual(await axe(page), []);
  await picture(page, "forge-sources");
  await writeFile(blueprint, text);
  await banner.waitFor({ state: "detached" });
  assert.deepEqual(complaints, []);
  await page.context().close();
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`Chaos and Load are accessible and fit, ${colorScheme}`, async () => {
    const { page, complaints } = await inside("Chaos", { colorScheme });
    const pages = ["Chaos", "Load"];
    for (const title of pages) {
      await go(page, title);
      await page.getByRole("img", { name: /Sent per second/ }).waitFor();
      assert.deepEqual(await axe(page), [], title);
      await picture(page, `forge-${title.toLowerCase()}-${colorScheme}`);
    }
    await page.setViewportSize({ width: 360, height: 780 });
    for (const title of pages) {
      await go(page, title);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${title} is ${width} pixels wide`);
      assert.deepEqual(await axe(page), [], title);
      await picture(page, `forge-${title.toLowerCase()}-${colorScheme}-narrow`);
    }
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
}
