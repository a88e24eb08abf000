// Places for the slices of a call graph: columns by their distance from outside. Pure.

import type { GraphEdge } from "./generated/api.ts";

export interface Box {
  id: string;
  /** `undefined`: outside. */
  slice?: { app: string; name: string; revision: number };
  column: number;
  row: number;
}

export interface Arrow {
  from: Box;
  to: Box;
  edges: GraphEdge[];
}

export interface Layout {
  boxes: Box[];
  arrows: Arrow[];
  columns: number;
  rows: number;
}

const OUTSIDE = "outside";

/** A caller is named without its revision: it is the newest one that calls. */
const callerOf = (edge: GraphEdge) => (edge.caller ? `${edge.app} ${edge.caller}` : OUTSIDE);
const calleeOf = (edge: GraphEdge) => `${edge.app} ${edge.callee}`;

export function layout(edges: GraphEdge[]): Layout {
  const distance = distances(edges);
  const boxes = new Map<string, Box>();
  const heights: number[] = [];
  const ids = [...distance].sort(([a, x], [b, y]) => x - y || a.localeCompare(b));
  for (const [id, column] of ids) {
    const row = heights[column] ?? 0;
    heights[column] = row + 1;
    boxes.set(id, { id, column, row, ...sliceOf(id, edges) });
  }
  const arrows = new Map<string, Arrow>();
  for (const edge of edges) {
    const [from, to] = [boxes.get(callerOf(edge)), boxes.get(calleeOf(edge))];
    if (!from || !to) continue;
    const key = `${from.id}\n${to.id}`;
    const arrow = arrows.get(key) ?? { from, to, edges: [] };
    arrow.edges.push(edge);
    arrows.set(key, arrow);
  }
  return {
    boxes: [...boxes.values()],
    arrows: [...arrows.values()],
    columns: heights.length,
    rows: Math.max(0, ...heights.map((height) => height ?? 0)),
  };
}

/** How many calls away each slice is from outside; those that nobody reaches stand beside it. */
function distances(edges: GraphEdge[]): Map<string, number> {
  const distance = new Map<string, number>([[OUTSIDE, 0]]);
  for (let open = [OUTSIDE]; open.length > 0;) {
    const next: string[] = [];
    for (const edge of edges) {
      const [from, to] = [callerOf(edge), calleeOf(edge)];
      if (!open.includes(from) || distance.has(to)) continue;
      distance.set(to, (distance.get(from) ?? 0) + 1);
      next.push(to);
    }
    open = next;
  }
  for (const id of edges.flatMap((edge) => [callerOf(edge), calleeOf(edge)])) {
    if (!distance.has(id)) distance.set(id, 0);
  }
  return distance;
}

function sliceOf(id: string, edges: GraphEdge[]): Pick<Box, "slice"> {
  if (id === OUTSIDE) return {};
  const [app = "", name = ""] = id.split(" ");
  const revisions = edges.filter((edge) => calleeOf(edge) === id).map(({ version }) => version);
  return { slice: { app, name, revision: Math.max(0, ...revisions) } };
}
