// Lines over time, with the same numbers as a table. Knows no page and no unit.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { clock } from "./format.ts";
import { Table } from "./parts.tsx";

export interface Line {
  label: string;
  /** A variable of the style sheet. */
  colour: "--busy" | "--bad" | "--good" | "--warn";
  /** Tells lines apart without colours. */
  dash?: number[];
  values: (number | null)[];
}

/** Something that was done, from one moment to another. Seconds, as the times. */
export interface ChartMark {
  from: number;
  until: number;
  label: string;
  /** Whether something was made to go wrong. */
  fault: boolean;
}

const HEIGHT = 180;
/** Lines of the marks' labels, so that those beside each other can be read. */
const LABEL_ROWS = 3;
const LABEL_HEIGHT = 13;
/** Marks that are named to those who do not see them. */
const MARKS_NAMED = 3;
/** Rows of the table, from the newest back. */
const ROWS_MAX = 30;
const ROWS_EVERY = 10;

export function Chart(props: {
  title: string;
  times: number[];
  lines: Line[];
  marks?: ChartMark[];
  show(value: number): string;
}) {
  const { title, times, lines, show } = props;
  const first = times[0] ?? 0;
  const marks = (props.marks ?? []).filter((mark) => mark.until >= first);
  const drawn = useRef(marks);
  drawn.current = marks;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const dark = useDark();
  const data = [times, ...lines.map(({ values }) => values)] as uPlot.AlignedData;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(options(element, props, () => drawn.current), data, element);
    plot.current = made;
    const resized = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
    };
  }, [dark]);
  useEffect(() => plot.current?.setData(data), [times.at(-1), marks.length]);
  const latest = lines
    .map(({ label, values }) => `${label} ${shown(values.at(-1), show)}`)
    .join(", ");
  const now = new Date();
  const rows = times
    .map((at, i) => ({ at, values: lines.map(({ values }) => values[i]) }))
    .filter((_, i) => (times.length - 1 - i) % ROWS_EVERY === 0)
    .slice(-ROWS_MAX)
    .reverse();
  return (
    <figure>
      <figcaption>
        {title}
        <ul class="legend">
          {lines.map(({ label, colour, dash, values }) => (
            <li key={label}>
              <span class={`key ${colour.slice(2)} ${dash ? "dashed" : ""}`} aria-hidden="true" />
              {label} <strong>{shown(values.at(-1), show)}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
      <div
        ref={box}
        role="img"
        aria-label={`${title}: now ${latest}.${named(marks)} The table below has the numbers.`}
      />
      <details>
        <summary>{title} as a table</summary>
        <Table
          caption={title}
          columns={[
            {
              head: "Time",
              names: true,
              cell: (row: (typeof rows)[number]) =>
                clock(new Date(row.at * 1_000).toISOString(), now),
            },
            ...lines.map(({ label }, i) => ({
              head: label,
              number: true,
              cell: (row: (typeof rows)[number]) => shown(row.values[i], show),
            })),
          ]}
          rows={rows}
          id={(row) => String(row.at)}
          none="Nothing was seen yet."
        />
      </details>
    </figure>
  );
}

function named(marks: ChartMark[]): string {
  if (marks.length === 0) return "";
  const labels = marks.slice(-MARKS_NAMED).map(({ label }) => label);
  return ` In this time: ${marks.length > MARKS_NAMED ? "…, " : ""}${labels.join(", ")}.`;
}

/** Bands behind the lines, each with its label at the top. */
function drawMarks(plot: uPlot, marks: ChartMark[], colour: (name: string) => string): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = "top";
  marks.forEach(({ from, until, label, fault }, i) => {
    const left = plot.valToPos(from, "x", true);
    const right = Math.max(plot.valToPos(until, "x", true), left + ratio);
    ctx.fillStyle = colour(fault ? "--bad" : "--dim");
    ctx.globalAlpha = 0.14;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.globalAlpha = 0.7;
    ctx.fillRect(left, bbox.top, ratio, bbox.height);
    ctx.globalAlpha = 1;
    const top = bbox.top + (i % LABEL_ROWS) * LABEL_HEIGHT * ratio;
    const start = Math.max(left, bbox.left) + 4 * ratio;
    const fits = start + ctx.measureText(label).width < bbox.left + bbox.width;
    ctx.textAlign = fits ? "left" : "right";
    ctx.fillText(label, fits ? start : left - 4 * ratio, top + 2 * ratio);
  });
  ctx.restore();
}

const shown = (value: number | null | undefined, show: (value: number) => string): string =>
  value === null || value === undefined ? "none" : show(value);

function options(
  box: HTMLElement,
  props: { lines: Line[]; show(value: number): string },
  marks: () => ChartMark[],
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--dim"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width: box.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    hooks: { drawClear: [(plot) => drawMarks(plot, marks(), colour)] },
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      axis,
      { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => props.show(tick)) },
    ],
    series: [
      {},
      ...props.lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 1.5,
        points: { show: false },
        ...(line.dash && { dash: line.dash }),
      })),
    ],
  };
}

function useDark(): boolean {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const changed = () => setDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return dark;
}
