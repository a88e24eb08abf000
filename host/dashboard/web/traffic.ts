// Rates and latencies, from counts that only grow. Pure: time comes in.

import type { GraphEdge } from "./generated/api.ts";

/** The counts of all edges at one moment. */
export interface Moment {
  /** Milliseconds. */
  at: number;
  calls: Record<string, GraphEdge>;
}

/** What happened along some edges in some time. */
export interface Traffic {
  calls: number;
  failures: number;
  /** How many of the timed calls took at most so many microseconds, and more than the bound before. */
  latencies: Map<number, number>;
  /** Absent: since the nodes began to count. */
  seconds?: number;
}

/** One point of the charts. */
export interface Point {
  /** Seconds since 1970, as the chart wants them. */
  at: number;
  callsPerSecond: number;
  failuresPerSecond: number;
  /** Milliseconds; absent where no call was timed. */
  p50: number | null;
  p99: number | null;
}

/** Moments are this far apart at least. */
const EVERY_MS = 1_000;
/** How far back counts can be compared. */
export const KEPT_MS = 61_000;
/** What a point of the charts looks back on: long enough to be calm, short enough to follow. */
const POINT_MS = 5_000;
/** Points of the charts: two hours. */
const POINTS_MAX = 7_200;

/** Remembers what a page has seen since it was opened. */
export class Recorder {
  #moments: Moment[] = [];
  points: Point[] = [];

  /** Takes note of the counts as they are now. */
  push(now: Moment): void {
    const last = this.#moments.at(-1);
    if (last && now.at - last.at < EVERY_MS) return;
    this.#moments.push(now);
    while (now.at - (this.#moments[0]?.at ?? now.at) > KEPT_MS) this.#moments.shift();
    const traffic = this.over(now, POINT_MS, fromOutside);
    if (!traffic?.seconds) return;
    this.points.push({
      at: now.at / 1_000,
      callsPerSecond: traffic.calls / traffic.seconds,
      failuresPerSecond: traffic.failures / traffic.seconds,
      p50: millis(percentile(traffic, 50)),
      p99: millis(percentile(traffic, 99)),
    });
    if (this.points.length > POINTS_MAX) this.points.shift();
  }

  /**
   * What happened along some edges in the last so many milliseconds, or since the page was opened
   * if that is shorter; `undefined` while there is nothing to compare with.
   */
  over(now: Moment, ms: number, wants: (edge: GraphEdge) => boolean): Traffic | undefined {
    const before = this.#moments.find(({ at }) => at >= now.at - ms && at < now.at);
    if (!before) return undefined;
    const traffic = { ...none(), seconds: (now.at - before.at) / 1_000 };
    for (const [key, edge] of Object.entries(now.calls).filter(([, edge]) => wants(edge))) {
      // What is seen for the first time was not counted in this time alone.
      const known = before.calls[key];
      if (known) add(traffic, edge, known);
    }
    return traffic;
  }
}

export const fromOutside = (edge: GraphEdge): boolean => !edge.caller;

/** All that some edges have counted. */
export function total(
  calls: Record<string, GraphEdge>,
  wants: (edge: GraphEdge) => boolean,
): Traffic {
  const traffic = none();
  for (const edge of Object.values(calls).filter(wants)) add(traffic, edge, undefined);
  return traffic;
}

const none = (): Traffic => ({ calls: 0, failures: 0, latencies: new Map() });

function add(traffic: Traffic, edge: GraphEdge, before: GraphEdge | undefined): void {
  const grown = (now: number, then = 0) => Math.max(0, now - then);
  traffic.calls += grown(edge.calls, before?.calls);
  traffic.failures += grown(edge.failures, before?.failures);
  for (const [bound, count] of Object.entries(edge.latencies ?? {})) {
    const more = grown(count, before?.latencies?.[bound]);
    const known = traffic.latencies.get(Number(bound)) ?? 0;
    if (more > 0) traffic.latencies.set(Number(bound), known + more);
  }
}

const sorted = ({ latencies }: Traffic) => [...latencies].sort(([a], [b]) => a - b);

/** Microseconds within which so many of a hundred timed calls ended. */
export function percentile(traffic: Traffic, percent: number): number | undefined {
  const buckets = sorted(traffic);
  const all = buckets.reduce((sum, [, count]) => sum + count, 0);
  const rank = Math.max(1, Math.ceil((all * percent) / 100));
  let seen = 0;
  return buckets.find(([, count]) => (seen += count) >= rank)?.[0];
}

/** Microseconds within which all timed calls ended. */
export const slowest = (traffic: Traffic): number | undefined => sorted(traffic).at(-1)?.[0];

/** Shares of calls by how long they took: from a bound, each time twice as much. */
export function distribution(traffic: Traffic): { below: number; count: number; share: number }[] {
  const octaves = new Map<number, number>();
  for (const [bound, count] of traffic.latencies) {
    const below = 2 ** Math.ceil(Math.log2(Math.max(1, bound)));
    octaves.set(below, (octaves.get(below) ?? 0) + count);
  }
  const all = [...octaves.values()].reduce((sum, count) => sum + count, 0);
  const rows = [...octaves].sort(([a], [b]) => a - b);
  return rows.map(([below, count]) => ({ below, count, share: count / all }));
}

/** Of a hundred calls, those that did not fail. */
export function success({ calls, failures }: Traffic): string {
  if (calls === 0) return "no calls";
  // What failed is never rounded away.
  const percent = Math.floor((1 - failures / calls) * 100_000) / 1_000;
  return `${percent}%`;
}

export function rate({ calls, seconds }: Traffic): string {
  return seconds ? perSecond(calls / seconds) : "unknown";
}

export function perSecond(rate: number): string {
  if (rate === 0) return "0/s";
  if (rate < 0.01) return "below 0.01/s";
  return `${rate >= 100 ? rate.toFixed(0) : rate >= 10 ? rate.toFixed(1) : rate.toFixed(2)}/s`;
}

/** "850 µs", "12.5 ms", "3.1 s". */
export function duration(micros: number | undefined | null): string {
  if (micros === undefined || micros === null) return "none";
  if (micros < 1_000) return `${micros} µs`;
  const of = (value: number, unit: string) => `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
  return micros < 1_000_000 ? of(micros / 1_000, "ms") : of(micros / 1_000_000, "s");
}

const millis = (micros: number | undefined): number | null =>
  micros === undefined ? null : micros / 1_000;
