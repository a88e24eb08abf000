// The dashboard in a real browser, in front of three real nodes.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { Hands, type Node } from "./support/hands.ts";
import { axe, go, launch, link, login, open, picture } from "./support/page.ts";

/** A node that is lost has to be seen so soon. */
const SEEN_MAX_MS = 2_000;
const PAGES = ["Overview", "Deployments", "Calls", "Nodes"];
/** A rollout that stays where it is until somebody acts. */
const STAYS = 'rolling = { steps = ["25%", "100%"], pause = "1h", grace = "1s" }';

let hands: Hands;
let browser: Browser;
let nodes: Node[];

const first = (): Node => nodes[0] as Node;
const short = (node: Node): string => node.id.slice(0, 8);
const deploy = (version: number, ...words: string[]) =>
  hands.web({ node: 0, version, instances: 3, words });

before(async () => {
  hands = new Hands();
  browser = await launch();
  nodes = await hands.cluster(3);
  await deploy(1);
});

after(async () => {
  await browser?.close();
  hands?.close();
});

/** The page of the first node, with the administrator's key. */
async function inside(
  title = "Overview",
  options = {},
): Promise<{ page: Page; complaints: string[] }> {
  const opened = await open(browser, first().api, options);
  await login(opened.page, first().key);
  if (title !== "Overview") await go(opened.page, title);
  return opened;
}

/** The row of a table on the page, by what it is called. */
const row = (page: Page, id: string) => page.locator(`tr[data-row="${id}"]`);

/** The same request again and again, to all nodes in turn. */
async function ask(method: string, path: string, count: number, body?: object): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const { http } = nodes[i % nodes.length] as Node;
    const headers = { "content-type": "application/json" };
    const request = body ? { method, headers, body: JSON.stringify(body) } : { method };
    await (await fetch(`http://${http}${path}`, request)).arrayBuffer();
  }
}

const order = (count: number) =>
  ask("POST", "/api/orders", count, {
    customer: "eve",
    items: [{ product: "book", quantity: 1 }],
  });

async function answers(count: number): Promise<string[]> {
  const asked = Array.from({ length: count }, async () =>
    (await fetch(`http://${first().http}/web`)).text(),
  );
  return Promise.all(asked);
}

test("a key is asked for, and the wrong one is refused", async () => {
  const { page, complaints } = await open(browser, first().api);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByText("A key is needed.").waitFor();
  assert.deepEqual(await axe(page), []);
  await page.getByLabel("Key of the management API").fill("aether_00000000_0");
  await page.keyboard.press("Enter");
  await page.getByText("The cluster does not know this key.").waitFor();
  await login(page, first().key);
  assert.ok(!page.url().includes(first().key), "the key is in no address");
  // It is kept for the tab, and forgotten when asked to.
  await page.reload();
  await link(page, "live");
  await page.getByRole("button", { name: "Forget key" }).click();
  await page.getByLabel("Key of the management API").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length), 0);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("a node that is killed is seen within two seconds, and so is its return", async () => {
  const { page, complaints } = await inside();
  await page.getByText("3 of 3", { exact: true }).first().waitFor();
  const killed = nodes[2] as Node;
  const gone = row(page, killed.id).getByText("NO ANSWER").waitFor();
  const began = performance.now();
  await hands.kill(2);
  await gone;
  const took = performance.now() - began;
  assert.ok(took < SEEN_MAX_MS, `it took ${took} ms`);
  console.log(`a killed node was seen after ${Math.round(took)} ms`);
  await page.getByText("2 of 3", { exact: true }).first().waitFor();
  const health = page.getByRole("region", { name: /UNHEALTHY/ });
  await health.getByText(`Node ${short(killed)} does not answer`).waitFor();
  await page
    .getByRole("status")
    .filter({ hasText: `Node ${short(killed)} does not answer` })
    .waitFor();
  await picture(page, "node-lost");
  nodes = await hands.again(2);
  await row(page, killed.id).getByText("ON_DUTY").waitFor();
  await page.getByRole("region", { name: /HEALTHY/ }).waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("a rollout is followed, paused, resumed and rolled back", async () => {
  const { page, complaints } = await inside("Deployments");
  await deploy(2, "--no-wait", "--strategy", STAYS);
  const rollout = page.getByRole("region", { name: /Rollout: rolling/ });
  await rollout.getByText("HOLDING", { exact: true }).waitFor();
  await rollout.getByText("25%").first().waitFor();
  const seen = new Set(await answers(8));
  assert.deepEqual([...seen].sort(), ["1", "2"]);
  await picture(page, "rollout");
  await rollout.getByRole("button", { name: "Pause" }).click();
  await rollout.getByText("PAUSED", { exact: true }).waitFor();
  await rollout.getByRole("button", { name: "Resume" }).click();
  await rollout.getByText("PAUSED", { exact: true }).waitFor({ state: "detached" });
  await rollout.getByRole("button", { name: "Roll back" }).click();
  await rollout.getByText("rolled back: somebody wanted it").waitFor();
  assert.deepEqual(new Set(await answers(8)), new Set(["1"]));
  assert.equal(await rollout.getByRole("button").count(), 0, "nothing is left to do");
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("what cannot be taken back is asked first, and the keyboard is enough", async () => {
  const { page } = await inside("Deployments");
  await deploy(3, "--no-wait", "--strategy", STAYS);
  const rollout = page.getByRole("region", { name: /Rollout: rolling/ });
  await rollout.getByText("HOLDING", { exact: true }).waitFor();
  await rollout.getByRole("button", { name: "Complete" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Complete web?" });
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Complete");
  await rollout.getByText("HOLDING", { exact: true }).waitFor();
  await page.keyboard.press("Enter");
  await dialog.waitFor();
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press("Enter");
  await rollout.locator("p").getByText("completed", { exact: true }).waitFor();
  assert.deepEqual(new Set(await answers(8)), new Set(["3"]));
  await page.context().close();
});

test("a version that does not start says why", async () => {
  const { page } = await inside("Deployments");
  await hands.web({
    node: 0,
    version: 4,
    instances: 3,
    broken: true,
    words: ["--no-wait", "--strategy", "immediate"],
  });
  const rollout = page.getByRole("region", { name: /Rollout: immediate/ });
  await rollout.getByText("COOLING", { exact: true }).waitFor();
  await rollout.getByText("History", { exact: true }).click();
  await rollout
    .getByText(/every instance of t:web:1.0.4 failed/)
    .first()
    .waitFor();
  await page.getByRole("navigation").getByRole("link", { name: "Overview" }).click();
  await page.getByRole("link", { name: "Rollout of web: COOLING" }).waitFor();
  await go(page, "Deployments");
  await rollout.getByRole("button", { name: "Roll back" }).click();
  await rollout.getByText(/^rolled back/).waitFor();
  await page.context().close();
});

test("viewers see everything and command nothing", async () => {
  const created = JSON.parse(
    await hands.aether(0, "keys", "create", "eyes", "--role", "viewer", "--json"),
  ) as { secret: string; key: { id: string } };
  const { page } = await open(browser, first().api);
  await login(page, created.secret);
  await go(page, "Deployments");
  await deploy(5, "--no-wait", "--strategy", STAYS);
  const rollout = page.getByRole("region", { name: /Rollout: rolling/ });
  await rollout.getByText("Controls need a key with the role operator.").waitFor();
  assert.equal(await rollout.getByRole("button").count(), 0);
  await hands.aether(0, "rollout", "rollback", "web");
  await rollout.getByText("rolled back: somebody wanted it").waitFor();
  // A key that is deleted ends what was opened with it.
  await hands.aether(0, "keys", "delete", created.key.id);
  await page.getByText("The cluster does not know this key.").waitFor();
  await page.context().close();
});

test("a broken socket shows a banner, requests go on, and the socket comes back", async () => {
  const { page } = await open(browser, first().api);
  let cut = false;
  const sockets: { close(): Promise<void> }[] = [];
  await page.routeWebSocket(/\/api\/live$/, (socket) => {
    if (cut) return void socket.close();
    socket.connectToServer();
    sockets.push(socket);
  });
  await page.reload();
  await login(page, first().key);
  cut = true;
  await sockets.pop()?.close();
  await page.getByRole("alert").filter({ hasText: "The live connection is broken." }).waitFor();
  await link(page, "polling");
  await picture(page, "polling");
  // What happens meanwhile is seen.
  await go(page, "Deployments");
  await deploy(6, "--no-wait", "--strategy", STAYS);
  const rollout = page.getByRole("region", { name: /Rollout: rolling/ });
  await rollout.getByText("HOLDING", { exact: true }).waitFor();
  cut = false;
  await link(page, "live");
  await page.getByText("The live connection is broken.").waitFor({ state: "detached" });
  await page.getByRole("status").filter({ hasText: "Live again" }).waitFor();
  await hands.aether(0, "rollout", "rollback", "web");
  await rollout.getByText("rolled back: somebody wanted it").waitFor();
  await page.context().close();
});

test("a node that hangs is said to, and what is shown is said to be old", async () => {
  const { page } = await inside();
  // It names the others that answer.
  await page.getByText("3 of 3", { exact: true }).first().waitFor();
  await hands.suspend(0);
  const banner = page.getByRole("alert").filter({ hasText: "The node does not answer since" });
  try {
    await banner.waitFor();
    await banner.getByRole("link", { name: short(nodes[1] as Node) }).waitFor();
    await link(page, "lost");
    await page.getByRole("region", { name: /UNKNOWN/ }).waitFor();
    await picture(page, "no-answer");
  } finally {
    await hands.resume(0);
  }
  await link(page, "live");
  await banner.waitFor({ state: "detached" });
  await page.context().close();
});

test("where a request would go is explained", async () => {
  const { page } = await inside("Calls");
  await row(page, "GET /web").getByText("ACTIVE").waitFor();
  await page.getByLabel("A route, function, slice or call").fill("GET /web");
  await page.keyboard.press("Enter");
  await page.getByRole("table", { name: "Candidates for GET /web" }).waitFor();
  await page.getByLabel("A route, function, slice or call").fill("nonsense");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").filter({ hasText: "[request-invalid]" }).waitFor();
  await page.context().close();
});

test("calls are counted along every edge, with what fails", async () => {
  await hands.aether(0, "deploy", join(process.cwd(), "../../examples/order"));
  const { page, complaints } = await inside("Calls");
  await page.getByLabel("since the nodes count").check();
  await hands.aether(0, "slow", "--strategy", 'fixed = "1ms"');
  await order(20);
  const functions = page.getByRole("table", { name: "Functions that were called" });
  const placed = functions.getByRole("row", { name: /#place .*order:place-order/ });
  await placed.getByText("20 calls").waitFor();
  await placed.getByText("100%").waitFor();
  const edges = page.getByRole("table", { name: "Calls by caller and function" });
  const stock = edges.getByRole("row", {
    name: /^order:place-order:.* order:inventory.*#reserve /,
  });
  await stock.getByText("20 calls").waitFor();
  await page
    .getByRole("img", { name: /The call graph/ })
    .getByText("place-order")
    .waitFor();
  await placed.getByText("Distribution").click();
  await placed.getByRole("table", { name: "How long calls took" }).waitFor();
  // Those that trap take longer than that.
  await hands.web({ node: 0, version: 8, instances: 3, traps: true });
  await ask("GET", "/web", 5);
  const failed = functions.getByRole("row", { name: /t:web:1.0.8/ });
  await failed.getByText("5 calls").waitFor();
  await failed.getByText("5 failed").waitFor();
  await go(page, "Overview");
  await page.getByRole("img", { name: /Requests per second: now all/ }).waitFor();
  await page.getByText("Requests per second as a table").click();
  await page.getByRole("table", { name: "Requests per second" }).waitFor();
  assert.deepEqual(complaints, []);
  // What happened before a page was opened is in its charts.
  const later = await inside();
  const asked = later.page.waitForResponse(/metrics\/history\?minutes=60$/);
  await later.page.getByLabel("1 h").check();
  const { requests } = await (await asked).json();
  assert.ok(requests["per-second"].mean.some((rate: number | null) => (rate ?? 0) > 0));
  await later.page.getByRole("img", { name: /Requests per second: now all/ }).waitFor();
  await go(later.page, "Calls");
  await later.page.getByRole("table", { name: "Slow calls, the newest first" }).waitFor();
  assert.deepEqual(await axe(later.page), []);
  assert.deepEqual(later.complaints, []);
  await later.page.context().close();
  await page.context().close();
});

test("the keyboard walks through everything in order", async () => {
  const { page } = await inside();
  await page.reload();
  await link(page, "live");
  const walk: string[] = [];
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  for (let step = 0; step < 6; step += 1) {
    await page.keyboard.press("Tab");
    walk.push(await focused());
  }
  assert.deepEqual(walk, ["Skip to content", ...PAGES, "Forget key"]);
  for (let step = 0; step < 3; step += 1) await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Deployments" }).waitFor();
  assert.equal(await focused(), "Deployments");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
  // What is focused stays so while everything around it changes.
  await deploy(9, "--no-wait", "--strategy", STAYS);
  const rollout = page.getByRole("region", { name: /Rollout: rolling/ });
  await rollout.getByText("HOLDING", { exact: true }).waitFor();
  await rollout.getByRole("button", { name: "Roll back" }).focus();
  await hands.aether(0, "rollout", "pause", "web");
  await rollout.getByText("PAUSED", { exact: true }).waitFor();
  assert.equal(await focused(), "Roll back");
  await page.keyboard.press("Enter");
  await rollout.getByText("rolled back: somebody wanted it").waitFor();
  await page.context().close();
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`every page is accessible and fits, ${colorScheme}`, async () => {
    const { page, complaints } = await inside("Overview", { colorScheme });
    await order(40);
    await page.getByRole("img", { name: /Requests per second: now all/ }).waitFor();
    for (const title of PAGES) {
      await go(page, title);
      assert.deepEqual(await axe(page), [], title);
      await picture(page, `${title.toLowerCase()}-${colorScheme}`);
    }
    await page.setViewportSize({ width: 360, height: 780 });
    for (const title of PAGES) {
      await go(page, title);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${title} is ${width} pixels wide`);
      assert.deepEqual(await axe(page), [], title);
      await picture(page, `${title.toLowerCase()}-${colorScheme}-narrow`);
    }
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
}
