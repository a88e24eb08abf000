// A browser with the dashboard in it. Knows what every page has, nothing of a single one.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

/** Longer than anything takes on a slow machine. */
export const PATIENCE_MS = Number(process.env.AETHER_PATIENCE ?? 60_000);

export function launch(): Promise<Browser> {
  const executablePath = process.env.AETHER_BROWSER;
  if (!executablePath) throw new Error("run `cargo xtask dashboard`: it names the browser");
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Pages that do not come from the node itself are strangers to it, for the browser.
    ...(process.env.AETHER_PAGES ? ["--disable-features=LocalNetworkAccessChecks"] : []),
  ];
  return chromium.launch({ executablePath, headless: true, args });
}

/** A page and everything that it complained about or loaded from elsewhere. */
export interface Opened {
  page: Page;
  complaints: string[];
}

export async function open(
  browser: Browser,
  address: string,
  { hash = "", ...options }: BrowserContextOptions & { hash?: string } = {},
): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // The browser itself notes every request and socket that fails; some are meant to.
    const { url } = message.location();
    const asked = url.includes("/api/") || url.includes("/forge/");
    const own = !asked && !message.text().includes("WebSocket");
    if (message.type() === "error" && own) complaints.push(message.text());
  });
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "data:" && host !== address) complaints.push(`loads ${request.url()}`);
  });
  await fromDisk(page);
  await page.goto(`http://${address}/${hash}`);
  return { page, complaints };
}

/** While one works on the pages: what is built, instead of what is in the program. */
async function fromDisk(page: Page): Promise<void> {
  const folder = process.env.AETHER_PAGES;
  if (!folder) return;
  const types: Record<string, string> = {
    js: "text/javascript",
    css: "text/css",
    svg: "image/svg+xml",
  };
  const serve = (url: (url: URL) => boolean, name: (url: URL) => string) =>
    page.route(url, async (route) => {
      const file = name(new URL(route.request().url()));
      const contentType = types[file.split(".").pop() ?? ""] ?? "text/html";
      await route.fulfill({ body: await readFile(join(folder, file)), contentType });
    });
  await serve(
    (url) => url.pathname.startsWith("/dashboard/"),
    (url) => url.pathname.split("/").pop() ?? "",
  );
}

export async function login(page: Page, key: string): Promise<void> {
  await page.getByLabel("Key of the management API").fill(key);
  await page.getByRole("button", { name: "Open" }).click();
  await link(page, "live");
}

/** Waits until the page says so of its connection. */
export async function link(page: Page, state: string): Promise<void> {
  await page.locator(`[data-link="${state}"]`).waitFor();
}

export async function go(page: Page, title: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name: title }).click();
  await page.getByRole("heading", { level: 1, name: title }).waitFor();
}

/** What axe finds wrong, a line each. */
export async function axe(page: Page): Promise<string[]> {
  const file = createRequire(join(process.cwd(), "package.json")).resolve("axe-core/axe.min.js");
  await page.evaluate(await readFile(file, "utf8"));
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: {
        run(): Promise<{
          violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
        }>;
      };
    };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) =>
      nodes.map((it) => `${id}: ${it.html}: ${it.failureSummary}`),
    );
  });
}

/** Keeps a picture of the page for whoever wants to look. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.AETHER_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
