// What the page knows: pulls by id, nodes, and how well it is connected. Events change it; views read it.

import { computed, signal } from "@preact/signals";
import type { Layer, NodeState, Pull, PullEvent, Throughput } from "./model";
import { isActive } from "./model";
import { Series } from "./series";
import { compare, fromAddress, matches, toAddress, type View } from "./view";

export type Connection =
  | { kind: "connecting" }
  | { kind: "live" }
  | { kind: "offline"; since: number; reason: string };

export const connection = signal<Connection>({ kind: "connecting" });
/** The present by this machine's clock. */
export const now = signal(Date.now());
/** How far the server's clock is ahead; what agents say is measured by clocks of the cluster. */
const ahead = signal(0);
/** The present by the server's clock; while nothing is heard, the last moment that is known. */
export const clusterNow = computed(() => {
  const state = connection.value;
  return (state.kind === "offline" ? state.since : now.value) + ahead.value;
});
export const view = signal<View>(fromAddress(location.search));
export const nodes = signal<NodeState[]>([]);
/** Ended pulls that the server has and this page did not ask for. */
export const older = signal(0);

const pulls = new Map<string, Pull>();
/** Layers come for the pull that is looked at, and for no other. */
const layers = signal<{ id: string; list: Layer[]; missing: boolean }>({ id: "", list: [], missing: false });
/** Counts changes of `pulls`; views follow at a steady pace, however many events come. */
const changes = signal(0);
const throughput = new Series();
let pending = false;
/** Milliseconds between two pictures: no eye follows numbers that change faster. */
const PACE = 200;
/** A page that stays open for days forgets what ended first. */
const MOST = 5000;

export const all = computed(() => {
  void changes.value;
  return [...pulls.values()];
});
export const shown = computed(() => {
  const looked = view.value;
  return all.value.filter((pull) => matches(pull, looked)).sort(compare(looked));
});
export const active = computed(() => all.value.filter(isActive));
/** The pull that is looked at, with its layers; "missing" when the server does not know it either. */
export const opened = computed(() => {
  void changes.value;
  const id = view.value.open;
  const pull = pulls.get(id);
  if (pull) return layers.value.id === id ? { ...pull, layers: layers.value.list } : pull;
  return id && layers.value.id === id && layers.value.missing ? "missing" : undefined;
});
export const series = computed(() => {
  void now.value;
  return throughput;
});

/** Changes the view and the address; a step that a person may want to undo is one that the browser's back button undoes. */
export function show(change: Partial<View>, step = false): void {
  view.value = { ...view.value, ...change };
  const address = location.pathname + toAddress(view.value);
  if (step) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

addEventListener("popstate", () => {
  view.value = fromAddress(location.search);
});

/** Everything the server knows, in place of what was known: after a gap nothing of the past may stay. */
export function replaceAll(list: Pull[]): void {
  pulls.clear();
  add(list);
}

export function add(list: Pull[]): void {
  for (const pull of list) put(pull);
  changed();
}

/** A pull with its layers, or the news that the server does not know it. */
export function look(id: string, pull: Pull | undefined): void {
  if (pull) put({ ...pull, layers: pull.layers ?? [] });
  else layers.value = { id, list: [], missing: true };
  changed();
}

export function apply(event: PullEvent): void {
  if (!event.pull) return;
  if (event.type === "pull.removed") pulls.delete(event.pull.id);
  else put(event.pull);
  changed();
}

function put(pull: Pull): void {
  const { layers: list, ...rest } = pull;
  if (list && pull.id === view.value.open) layers.value = { id: pull.id, list, missing: false };
  pulls.set(pull.id, rest);
}

function changed(): void {
  if (pending) return;
  pending = true;
  setTimeout(() => {
    pending = false;
    forget();
    changes.value += 1;
  }, PACE);
}

function forget(): void {
  if (pulls.size <= MOST) return;
  const ended = [...pulls.values()].filter((pull) => !isActive(pull) && pull.id !== view.value.open);
  ended.sort((a, b) => ((a.completedAt ?? "") < (b.completedAt ?? "") ? -1 : 1));
  for (const pull of ended.slice(0, pulls.size - MOST)) pulls.delete(pull.id);
}

/** What moved before this page was opened. */
export function past(of: Throughput): void {
  throughput.restore(of.until, of.series);
}

export function serverTime(time: number): void {
  const difference = time - Date.now();
  // The header tells whole seconds; less than a few of them say nothing.
  ahead.value = Math.abs(difference) > 3000 ? difference : 0;
}

/** Once a second: clocks move, and the present speeds join the series. */
export function tick(): void {
  const rates = new Map<string, number>();
  const count = (key: string, rate: number) => rates.set(key, (rates.get(key) ?? 0) + rate);
  if (connection.value.kind === "live") {
    for (const pull of active.value) {
      if (pull.bytesPerSec <= 0) continue;
      count("all", pull.bytesPerSec);
      count(`node ${pull.nodeName ?? ""}`, pull.bytesPerSec);
      if (pull.registry) count(`registry ${pull.registry}`, pull.bytesPerSec);
    }
  }
  throughput.push(Math.floor((Date.now() + ahead.value) / 1000), rates);
  now.value = Date.now();
}
