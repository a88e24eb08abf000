// Requests to the node beside the feed. Knows no page.

import type { Problem } from "./generated/api.ts";

/** What the node said no to, or that it did not answer. */
export class Refused extends Error {}

export async function request<T>(secret: string, method: string, path: string): Promise<T> {
  const headers = { authorization: `Bearer ${secret}` };
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, cache: "no-store" });
  } catch {
    throw new Refused("the node does not answer");
  }
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
  const problem = (await answer.json().catch(() => undefined)) as Problem | undefined;
  if (!problem?.code) throw new Refused(`the node answered ${answer.status}`);
  const help = problem.help ? `: ${problem.help}` : "";
  throw new Refused(`${problem.detail} [${problem.code}]${help}`);
}
