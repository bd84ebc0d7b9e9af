// What the page shows is in its address, so that it can be sent to somebody else: view, filters, order, open pull.

import type { Pull } from "./model";
import { isActive } from "./model";

export type Room = "pulls" | "nodes" | "registries";
export type Order = "state" | "image" | "node" | "progress" | "speed" | "size" | "time";

export interface View {
  room: Room;
  search: string;
  state: string;
  node: string;
  namespace: string;
  registry: string;
  order: Order;
  descending: boolean;
  open: string;
}

export const START: View = {
  room: "pulls",
  search: "",
  state: "",
  node: "",
  namespace: "",
  registry: "",
  order: "state",
  descending: false,
  open: "",
};

const ROOMS: Room[] = ["pulls", "nodes", "registries"];
const ORDERS: Order[] = ["state", "image", "node", "progress", "speed", "size", "time"];
const TEXTS = ["search", "state", "node", "namespace", "registry", "open"] as const;

export function fromAddress(search: string): View {
  const words = new URLSearchParams(search);
  const view = { ...START };
  const room = words.get("view") as Room | null;
  if (room && ROOMS.includes(room)) view.room = room;
  const sort = words.get("sort") ?? "";
  const order = sort.replace(/^-/, "") as Order;
  if (ORDERS.includes(order)) {
    view.order = order;
    view.descending = sort.startsWith("-");
  }
  for (const key of TEXTS) view[key] = words.get(key) ?? "";
  return view;
}

export function toAddress(view: View): string {
  const words = new URLSearchParams();
  if (view.room !== START.room) words.set("view", view.room);
  for (const key of TEXTS) if (view[key]) words.set(key, view[key]);
  if (view.order !== START.order || view.descending) words.set("sort", (view.descending ? "-" : "") + view.order);
  const text = words.toString();
  return text ? `?${text}` : "";
}

/** What leaves every pull in. */
export const NO_FILTER = { search: "", state: "", node: "", namespace: "", registry: "" } satisfies Partial<View>;

export function hasFilter(view: View): boolean {
  return Boolean(view.search || view.state || view.node || view.namespace || view.registry);
}

export function matches(pull: Pull, view: View): boolean {
  if (view.state && !stateMatches(pull, view.state)) return false;
  if (view.node && pull.nodeName !== view.node) return false;
  if (view.registry && pull.registry !== view.registry) return false;
  const pods = pull.pods ?? [];
  if (view.namespace && !pods.some((pod) => pod.namespace === view.namespace)) return false;
  if (!view.search) return true;
  const haystack = [pull.imageRef, pull.nodeName ?? "", pull.failure?.class ?? "", ...pods.map((pod) => `${pod.namespace}/${pod.podName}`)].join("\n").toLowerCase();
  return view.search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => haystack.includes(word));
}

function stateMatches(pull: Pull, state: string): boolean {
  return state === "active" ? isActive(pull) : pull.phase === state;
}

// What needs somebody's eye comes first: what runs, then what failed, then the rest.
const URGENCY: Record<string, number> = {
  downloading: 0,
  unpacking: 0,
  resolving: 1,
  queued: 2,
  failed: 3,
  orphaned: 4,
  cancelled: 5,
  done: 6,
};

export function compare(view: View): (a: Pull, b: Pull) => number {
  const sign = view.descending ? -1 : 1;
  const by = KEYS[view.order];
  return (a, b) => {
    const [x, y] = [by(a), by(b)];
    if (x !== y) return x < y ? -sign : sign;
    // A queue stands in its order; of everything else the newest comes first.
    if (a.startedAt !== b.startedAt && a.phase === "queued" && b.phase === "queued") return a.startedAt < b.startedAt ? -1 : 1;
    if (a.startedAt !== b.startedAt) return a.startedAt < b.startedAt ? 1 : -1;
    return a.id < b.id ? -1 : 1;
  };
}

const KEYS: Record<Order, (pull: Pull) => string | number> = {
  state: (pull) => URGENCY[pull.phase] ?? 9,
  image: (pull) => pull.imageRef,
  node: (pull) => pull.nodeName ?? "",
  progress: (pull) => pull.percent,
  speed: (pull) => pull.bytesPerSec,
  size: (pull) => pull.totalBytes,
  time: (pull) => pull.startedAt,
};
