// One field of a fault's form. Knows no fault.

import type { Field } from "../forge/troubles.ts";

export interface Choices {
  nodes: number[];
  slices: string[];
  functions: string[];
}

export function FaultField(props: {
  field: Field;
  value: string | number[] | boolean;
  choices: Choices;
  change(value: string | number[] | boolean): void;
}) {
  const { field, value, choices, change } = props;
  const id = `field-${field.name}`;
  const help = field.help ? { "aria-describedby": `${id}-help` } : {};
  const about = field.help && (
    <span id={`${id}-help`} class="dim">
      {field.help}
    </span>
  );
  if (field.kind === "nodes") {
    const chosen = Array.isArray(value) ? value : [];
    const toggle = (number: number) =>
      chosen.includes(number) ? chosen.filter((it) => it !== number) : [...chosen, number].sort();
    return (
      <div role="group" class="field" aria-labelledby={`${id}-label`} {...help}>
        <span id={`${id}-label`}>{field.label}</span>
        <span class="boxes">
          {choices.nodes.map((number) => (
            <label key={number}>
              <input
                type="checkbox"
                checked={chosen.includes(number)}
                onChange={() => change(toggle(number))}
              />{" "}
              node {number}
            </label>
          ))}
        </span>
        {about}
      </div>
    );
  }
  if (field.kind === "flag") {
    return (
      <div class="field">
        <label class="flag">
          <input
            type="checkbox"
            checked={value === true}
            onChange={(event) => change(event.currentTarget.checked)}
          />{" "}
          {field.label}
        </label>
      </div>
    );
  }
  const list = field.kind === "node" ? choices.nodes.map(String) : choices.slices;
  const isChoice = field.kind === "node" || field.kind === "slice";
  const isNumber = field.kind === "number" || field.kind === "percent";
  return (
    <div class="field">
      <label for={id}>{field.label}</label>
      {isChoice ? (
        <select
          id={id}
          value={String(value)}
          {...help}
          onChange={(event) => change(event.currentTarget.value)}
        >
          {list.map((it) => (
            <option key={it} value={it}>
              {field.kind === "node" ? `node ${it}` : it}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          value={String(value)}
          {...help}
          {...(isNumber && { type: "number", min: 0, step: "any" })}
          {...(field.kind === "percent" && { max: 100 })}
          {...(field.kind === "function" && { list: `${id}-list` })}
          onInput={(event) => change(event.currentTarget.value)}
        />
      )}
      {field.kind === "function" && (
        <datalist id={`${id}-list`}>
          {choices.functions.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      )}
      {about}
    </div>
  );
}
