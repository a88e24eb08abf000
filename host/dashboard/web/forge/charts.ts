// What was done to the cluster, as a chart wants it. Pure.

import type { ChartMark } from "../chart.tsx";
import { happening, type Live } from "./model.ts";

export function chartMarks(live: Live | undefined): ChartMark[] {
  const now = live?.["now-ms"] ?? 0;
  return (live?.marks ?? []).map((mark) => ({
    from: mark["from-ms"] / 1_000,
    until: Math.min(mark["until-ms"], now) / 1_000,
    label: happening(mark.what),
    fault: "fault" in mark.what,
  }));
}
