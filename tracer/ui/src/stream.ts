// The line to the server: a snapshot, then events; after a break it resumes where it was or begins with a new snapshot.

import type { NodeList, Pull, PullEvent, PullList } from "./model";
import * as store from "./store";

/** Without a sign of life for so long, the line counts as broken; the server sends one at least every 15 s. */
const SILENCE = 40_000;
const RETRY_FIRST = 1_000;
const RETRY_LAST = 15_000;

/** Events that carry a pull; each is also understood when it comes without a name. */
const EVENTS = ["pull.started", "pull.progress", "pull.completed", "pull.failed", "pull.removed", "agent.connected", "agent.lost"];

let source: EventSource | undefined;
let retry = RETRY_FIRST;
let heard = 0;

export function connect(): void {
  void open();
  setInterval(() => {
    store.tick();
    if (source && store.connection.value.kind === "live" && Date.now() - heard > SILENCE) broken("the server went silent");
  }, 1000);
  setInterval(() => void readNodes(), 5000);
  // A laptop that wakes up should not wait for the next try.
  addEventListener("online", () => store.connection.value.kind === "offline" && void open());
}

async function open(): Promise<void> {
  source?.close();
  source = undefined;
  try {
    store.replaceAll(await readPulls());
    await readNodes();
  } catch (error) {
    broken(error instanceof Error ? error.message : "the server does not answer");
    return;
  }
  listen(new EventSource("api/v1/events?heartbeat=event"));
}

function listen(stream: EventSource): void {
  source = stream;
  stream.onopen = () => {
    heard = Date.now();
    retry = RETRY_FIRST;
    store.connection.value = { kind: "live" };
  };
  const hear = (message: MessageEvent<string>) => {
    heard = Date.now();
    const said = JSON.parse(message.data) as PullEvent | PullEvent[];
    for (const event of Array.isArray(said) ? said : [said]) store.apply(event);
  };
  stream.onmessage = hear;
  for (const type of EVENTS) stream.addEventListener(type, hear);
  stream.addEventListener("heartbeat", () => (heard = Date.now()));
  stream.onerror = () => broken("the connection to the server broke");
}

function broken(reason: string): void {
  source?.close();
  source = undefined;
  const before = store.connection.value;
  const since = before.kind === "offline" ? before.since : Date.now();
  store.connection.value = { kind: "offline", since, reason };
  setTimeout(() => void open(), retry);
  retry = Math.min(retry * 2, RETRY_LAST);
}

async function readPulls(): Promise<Pull[]> {
  const pulls: Pull[] = [];
  let next: string | undefined = "";
  while (next !== undefined) {
    const page: PullList = await get<PullList>(`api/v1/pulls?limit=1000${next && `&cursor=${encodeURIComponent(next)}`}`);
    pulls.push(...page.pulls);
    next = page.next;
  }
  return pulls;
}

async function readNodes(): Promise<void> {
  if (document.hidden) return;
  const list = await get<NodeList>("api/v1/nodes").catch(() => undefined);
  if (list) store.nodes.value = list.nodes;
}

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return (await answer.json()) as T;
}
