// Light or dark: what the system says, until somebody says otherwise here.

import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "berth-theme";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

export const theme = signal<Theme>(read());

export function applyTheme(): void {
  const root = document.documentElement;
  if (theme.value === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme.value;
}

export function nextTheme(): void {
  theme.value = NEXT[theme.value];
  applyTheme();
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // A browser that keeps nothing still shows the theme for now.
  }
}

function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system";
  }
}
