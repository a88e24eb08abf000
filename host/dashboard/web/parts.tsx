// Pieces that pages are made of. Knows no page.

import type { ComponentChildren, JSX } from "preact";
import type { Level } from "./health.ts";
import { clock, short } from "./format.ts";

/** The heading of a page; focus goes there when the page opens. */
export function Title({ children }: { children: ComponentChildren }) {
  return <h1 tabIndex={-1}>{children}</h1>;
}

const LEVELS: Record<string, Level> = {
  ACTIVE: "good",
  ON_DUTY: "good",
  ENDED: "good",
  leader: "good",
  follower: "good",
  learner: "good",
  DEPLOYING: "busy",
  PLANNED: "busy",
  LOADING: "busy",
  LOADED: "busy",
  ACTIVATING: "busy",
  DEACTIVATING: "busy",
  UNLOADING: "busy",
  JOINING: "busy",
  DRAINING: "busy",
  SHUTTING_DOWN: "busy",
  WANTED: "busy",
  PREPARING: "busy",
  STARTING: "busy",
  SWITCHING: "busy",
  HOLDING: "busy",
  RETIRING: "busy",
  candidate: "busy",
  DECOMMISSIONED: "busy",
  DEGRADED: "warn",
  COOLING: "warn",
  ROLLING_BACK: "warn",
  WARN: "warn",
  FAILED: "bad",
  ERROR: "bad",
};

/** A state: the word says it, the colour only helps. */
export function State({ word, level }: { word: string; level?: Level }) {
  return <span class={`state ${level ?? LEVELS[word] ?? "none"}`}>{word}</span>;
}

export function NodeId({ id, whole }: { id: string; whole?: boolean }) {
  return <code title={id}>{whole ? id : short(id)}</code>;
}

export function Time({ at }: { at: string }) {
  return (
    <time dateTime={at} title={at}>
      {clock(at, new Date())}
    </time>
  );
}

export interface Column<Row> {
  head: string;
  cell(row: Row): ComponentChildren;
  /** Numbers stand on the right. */
  number?: boolean;
  /** Names the row. */
  names?: boolean;
}

/**
 * A table that stays one for screen readers where a narrow window shows its rows as blocks: hence
 * the roles, which a changed `display` would take away.
 */
export function Table<Row>(props: {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  id(row: Row): string;
  none: ComponentChildren;
  /** The caption is for screen readers where a heading already says it. */
  showCaption?: boolean;
}): JSX.Element {
  const { caption, columns, rows, id, none, showCaption } = props;
  if (rows.length === 0) return <p class="dim">{none}</p>;
  return (
    <table role="table">
      <caption class={showCaption ? "" : "heard"}>{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ head, number }) => (
            <th key={head} role="columnheader" scope="col" class={number ? "number" : ""}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={id(row)} role="row" data-row={id(row)}>
            {columns.map(({ head, cell, number, names }) => {
              const kind = `${number ? "number" : ""}${names ? " names" : ""}`;
              return names ? (
                <th key={head} role="rowheader" scope="row" class={kind} data-head={head}>
                  {cell(row)}
                </th>
              ) : (
                <td key={head} role="cell" class={kind} data-head={head}>
                  {cell(row)}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Names and values. */
export function Facts({ facts }: { facts: [name: string, value: ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
