// Forge from the page: one look a second, and what the load has counted in each second. Knows no
// page.

import type { Live } from "./model.ts";

/** One second of load; nothing in it: there was none. */
export interface LoadPoint {
  /** Seconds since 1970, as the chart wants them. */
  at: number;
  due: number | null;
  failed: number | null;
  /** Milliseconds. */
  p50: number | null;
  p99: number | null;
}

export interface ForgeView {
  live: Live;
  points: LoadPoint[];
}

const EVERY_MS = 1_000;
const ANSWER_MAX_MS = 5_000;
/** Points of the charts: two hours. */
const POINTS_MAX = 7_200;
/** Seconds that may have been counted further since the last look. */
const AGAIN_MS = 3_000;

/** The points with what a look has brought. Each second is there once, when it is over. */
export function extend(points: LoadPoint[], live: Live): LoadPoint[] {
  if (!live.load) return points;
  const { "started-ms": started, report } = live.load;
  const last = points.at(-1)?.at ?? 0;
  const fresh: LoadPoint[] = [];
  for (const second of report.seconds) {
    const at = (started + second.at * 1_000) / 1_000;
    const isOver = (at + 1) * 1_000 <= live["now-ms"];
    // The last second of a load that has ended is cut short: it would look like a loss.
    const isWhole = report.progress !== "over" || second.at + 1 <= report["elapsed-s"];
    if (!isOver || !isWhole || at <= last) continue;
    const before = fresh.at(-1)?.at ?? last;
    const none = { due: null, failed: null, p50: null, p99: null };
    if (before > 0 && at - before > 1.5) fresh.push({ at: before + 1, ...none });
    const answered = second.good > 0;
    fresh.push({
      at,
      due: second.due,
      failed: second.failed,
      p50: answered ? second["p50-ms"] : null,
      p99: answered ? second["p99-ms"] : null,
    });
  }
  return fresh.length === 0 ? points : [...points, ...fresh].slice(-POINTS_MAX);
}

/** Looks again and again until it is closed. */
export class Desk {
  #secret: string;
  #changed: (view: ForgeView) => void;
  #points: LoadPoint[] = [];
  #seenMs = 0;
  #looking = false;
  #timer: ReturnType<typeof setInterval>;

  constructor(secret: string, changed: (view: ForgeView) => void) {
    this.#secret = secret;
    this.#changed = changed;
    this.#timer = setInterval(() => this.look(), EVERY_MS);
    this.look();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#changed = () => {};
  }

  look(): void {
    if (this.#looking) return;
    this.#looking = true;
    // What does not answer is told by the feed, which comes through Forge as well.
    const done = () => {
      this.#looking = false;
    };
    this.#ask().then(done, done);
  }

  async #ask(): Promise<void> {
    const headers = { authorization: `Bearer ${this.#secret}` };
    const signal = AbortSignal.timeout(ANSWER_MAX_MS);
    const path = `/forge/live?since=${Math.max(0, this.#seenMs - AGAIN_MS)}`;
    const answer = await fetch(path, { headers, signal, cache: "no-store" });
    if (!answer.ok) return;
    const live = (await answer.json()) as Live;
    this.#seenMs = live["now-ms"];
    this.#points = extend(this.#points, live);
    this.#changed({ live, points: this.#points });
  }
}
