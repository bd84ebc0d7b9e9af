// The line to the server: a list, then events; after a break everything is read anew, for nothing of the past may stay.
//
// Only the pull that is looked at comes with its layers, so that a thousand open pages cost the server little.

import { effect } from "@preact/signals";
import type { NodeList, Pull, PullEvent, PullList, Throughput } from "./model";
import * as store from "./store";

/** Without a sign of life for so long, the line counts as broken; the server sends one at least every 15 s. */
const SILENCE = 40_000;
const RETRY_FIRST = 1_000;
const RETRY_LAST = 15_000;
/** Pulls of a page of the list: everything that goes on, and what ended last. */
const PAGE = 1000;
/** Seconds between two readings of the nodes, by what is looked at. */
const NODES_OFTEN = 3;
const NODES_SELDOM = 20;

const PULL_EVENTS = ["pull.started", "pull.progress", "pull.completed", "pull.failed", "pull.removed"];

let source: EventSource | undefined;
let retry = RETRY_FIRST;
let heard = 0;
/** The last event that came: the line goes on after it when another pull is looked at. */
let last = "";
let next: string | undefined;
let nodesRead = 0;
let attempt = 0;

export function connect(): void {
  void open();
  setInterval(() => {
    store.tick();
    if (source && store.connection.value.kind === "live" && Date.now() - heard > SILENCE) broken("the server went silent");
    const often = store.view.value.room === "nodes" ? NODES_OFTEN : NODES_SELDOM;
    if (Date.now() - nodesRead > often * 1000) void readNodes();
  }, 1000);
  // A laptop that wakes up should not wait for the next try.
  addEventListener("online", () => store.connection.value.kind === "offline" && void open());
  let looked = store.view.value.open;
  effect(() => {
    const id = store.view.value.open;
    if (id === looked) return;
    looked = id;
    if (id) void read(id);
    if (source) listen();
  });
}

/** Older pulls than those that came first. */
export async function readOlder(): Promise<void> {
  if (next === undefined) return;
  await readPage(next).then(store.add).catch(() => undefined);
}

async function open(): Promise<void> {
  const mine = ++attempt;
  source?.close();
  source = undefined;
  try {
    last = "";
    const list = await readPage();
    if (mine !== attempt) return;
    store.replaceAll(list);
    const looked = store.view.value.open;
    if (looked) await read(looked);
    await Promise.all([readNodes(), readPast()]);
  } catch (error) {
    if (mine === attempt) broken(error instanceof Error ? error.message : "the server does not answer");
    return;
  }
  if (mine === attempt) listen();
}

function listen(): void {
  source?.close();
  const words = new URLSearchParams({ named: "true", heartbeat: "event", layers: store.view.value.open || "false" });
  if (last) words.set("lastEventId", last);
  const stream = new EventSource(`api/v1/events?${words}`);
  source = stream;
  stream.onopen = () => {
    heard = Date.now();
    retry = RETRY_FIRST;
    store.connection.value = { kind: "live" };
  };
  for (const type of PULL_EVENTS) {
    stream.addEventListener(type, (message: MessageEvent<string>) => {
      heard = Date.now();
      last = message.lastEventId;
      store.apply(JSON.parse(message.data) as PullEvent);
    });
  }
  for (const type of ["agent.connected", "agent.lost"]) stream.addEventListener(type, () => void readNodes());
  stream.addEventListener("heartbeat", () => (heard = Date.now()));
  // More was missed than the server keeps.
  stream.addEventListener("reset", () => void open());
  stream.onerror = () => stream === source && broken("the connection to the server broke");
}

function broken(reason: string): void {
  source?.close();
  source = undefined;
  const before = store.connection.value;
  const since = before.kind === "offline" ? before.since : heard || Date.now();
  store.connection.value = { kind: "offline", since, reason };
  // Pages that lost the same server do not come back in the same moment.
  setTimeout(() => store.connection.value.kind === "offline" && void open(), retry * (0.5 + Math.random()));
  retry = Math.min(retry * 2, RETRY_LAST);
}

async function readPage(cursor = ""): Promise<Pull[]> {
  const page = await get<PullList>(`api/v1/pulls?layers=false&limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
  next = page.next;
  store.older.value = next === undefined ? 0 : Math.max(0, (page.total ?? 0) - page.pulls.length - (cursor ? store.all.value.length : 0));
  return page.pulls;
}

async function read(id: string): Promise<void> {
  // One that the server does not know any more is no failure of the line.
  const found = await get<Pull>(`api/v1/pulls/${encodeURIComponent(id)}`).catch(() => undefined);
  store.look(id, found);
}

async function readNodes(): Promise<void> {
  if (document.hidden) return;
  nodesRead = Date.now();
  const list = await get<NodeList>("api/v1/nodes").catch(() => undefined);
  if (list) store.nodes.value = list.nodes;
}

async function readPast(): Promise<void> {
  const past = await get<Throughput>("api/v1/throughput").catch(() => undefined);
  if (past) store.past(past);
}

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  // A list is as old as this event: what came after it comes through the line, nothing twice and nothing missed.
  last ||= answer.headers.get("last-event-id") ?? "";
  const date = Date.parse(answer.headers.get("date") ?? "");
  if (!Number.isNaN(date)) store.serverTime(date + 500);
  return (await answer.json()) as T;
}
