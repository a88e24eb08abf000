// Requests to the node beside the feed. Knows no page.

import type { Problem } from "./generated/api.ts";

/** What the node said no to, or that it did not answer. */
export class Refused extends Error {}

export async function request<T>(
  secret: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  const headers = {
    authorization: `Bearer ${secret}`,
    ...(body !== undefined && { "content-type": "application/json" }),
  };
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, cache: "no-store", ...content });
  } catch {
    throw new Refused("the node does not answer");
  }
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
  const said = (await answer.json().catch(() => undefined)) as
    | Partial<Problem & { message: string }>
    | undefined;
  // Forge says it in one sentence.
  if (said?.message) throw new Refused(said.message);
  if (!said?.code) throw new Refused(`the node answered ${answer.status}`);
  const help = said.help ? `: ${said.help}` : "";
  throw new Refused(`${said.detail} [${said.code}]${help}`);
}
