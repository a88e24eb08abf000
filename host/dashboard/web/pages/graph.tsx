// The call graph as a picture; the table beside it says the same. Knows no window of time but its
// own.

import type { GraphEdge } from "../generated/api.ts";
import { type Arrow, type Box, layout } from "../layout.ts";
import { perSecond } from "../traffic.ts";

const WIDTH = 190;
const HEIGHT = 40;
const GAP_X = 110;
const GAP_Y = 20;
const MARGIN = 4;

export function CallGraph({ edges }: { edges: GraphEdge[] }) {
  const { boxes, arrows, columns, rows } = layout(edges);
  const width = columns * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN;
  const height = rows * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN;
  return (
    <div class="wide" role="region" aria-label="Call graph" tabIndex={0}>
      <svg
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label="The call graph; the table “Calls by caller and function” says the same"
      >
        {arrows.map((arrow) => (
          <ArrowShape key={`${arrow.from.id} ${arrow.to.id}`} arrow={arrow} />
        ))}
        {boxes.map((box) => (
          <BoxShape key={box.id} box={box} />
        ))}
      </svg>
    </div>
  );
}

const left = ({ column }: Box) => MARGIN + column * (WIDTH + GAP_X);
const top = ({ row }: Box) => MARGIN + row * (HEIGHT + GAP_Y);

function BoxShape({ box }: { box: Box }) {
  const [x, y] = [left(box), top(box)];
  const { slice } = box;
  const [, name, version] = slice?.name.split(":") ?? [];
  return (
    <g class={slice ? "slice" : "outside"}>
      <rect x={x} y={y} width={WIDTH} height={HEIGHT} rx={4} />
      <text x={x + 10} y={y + (slice ? 17 : 25)}>
        {slice ? (name ?? slice.name) : "outside"}
      </text>
      {slice && (
        <text x={x + 10} y={y + 32} class="small">
          {slice.app} {version}
        </text>
      )}
    </g>
  );
}

function ArrowShape({ arrow: { from, to, edges } }: { arrow: Arrow }) {
  const calls = edges.reduce((sum, edge) => sum + edge["calls-per-second"], 0);
  const failures = edges.reduce((sum, edge) => sum + edge["failures-per-second"], 0);
  const back = to.column <= from.column;
  const [x1, y1] = [left(from) + (back ? 0 : WIDTH), top(from) + HEIGHT / 2];
  const [x2, y2] = [left(to) + (back ? WIDTH : 0), top(to) + HEIGHT / 2];
  const bend = back ? -GAP_X / 2 : GAP_X / 2;
  // Ten times as many calls are one step wider.
  const thick = 1 + Math.min(4, Math.log10(1 + calls));
  const failing = failures > 0.005;
  return (
    <g class={failing ? "arrow failing" : "arrow"}>
      <path
        d={`M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}
        stroke-width={thick}
      />
      <text x={x2 - (back ? -6 : 6)} y={y2 - 6} text-anchor={back ? "start" : "end"} class="small">
        {perSecond(calls)}
        {failing ? `, ${perSecond(failures)} fail` : ""}
      </text>
    </g>
  );
}
