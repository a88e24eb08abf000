// What was before the page was opened, and how it goes on with what the page has seen. Pure.

import type { MetricsHistory } from "./generated/api.ts";
import type { Point } from "./traffic.ts";

/** Minutes that the charts can look back on. */
export const RANGES: { minutes: number; label: string }[] = [
  { minutes: 5, label: "5 min" },
  { minutes: 15, label: "15 min" },
  { minutes: 60, label: "1 h" },
  { minutes: 120, label: "2 h" },
];

/** Points of the slots in which somebody looked. */
export function pointsOf(history: MetricsHistory): Point[] {
  const { requests } = history;
  const step = history["step-seconds"];
  const start = Date.parse(history.start) / 1_000;
  const millis = (micros: number | null | undefined) => (micros ? micros / 1_000 : null);
  return Array.from({ length: history.slots }, (_, slot) => slot).flatMap((slot) => {
    const callsPerSecond = requests["per-second"].mean[slot];
    const failuresPerSecond = requests["failures-per-second"].mean[slot];
    if (typeof callsPerSecond !== "number" || typeof failuresPerSecond !== "number") return [];
    // A point stands for the time until then, as those of the feed do.
    const at = start + (slot + 1) * step;
    const p50 = millis(requests["p50-us"][slot]);
    const p99 = millis(requests["p99-us"][slot]);
    return [{ at, callsPerSecond, failuresPerSecond, p50, p99 }];
  });
}

/** The past, and after it what the page has seen, as far back as somebody wants to look. */
export function joined(past: Point[], seen: Point[], minutes: number): Point[] {
  const end = past.at(-1)?.at ?? 0;
  const all = [...past, ...seen.filter(({ at }) => at > end)];
  const first = (all.at(-1)?.at ?? 0) - minutes * 60;
  return all.filter(({ at }) => at >= first);
}
