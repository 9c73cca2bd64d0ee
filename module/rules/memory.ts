// What the rules remember over a restart of the module: how often they have fired, and what evidence there is. One small file.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import type { Incident } from '../../contract/alerts.ts';
import type { Evidence } from '../../contract/rules.ts';

const FILE = 'rules-state.json';
/** Evidence that is told; the files themselves have limits of their own. */
export const EVIDENCE_KEPT = 50;
/** A file that is larger was not written here. */
const LARGEST_BYTES = 4 * 2 ** 20;

const times = z.array(z.number());
const evidence = z.object({
  rule: z.string(),
  action: z.string(),
  at: z.number(),
  app: z.string(),
  pmId: z.union([z.number(), z.string()]),
  pid: z.number(),
  ok: z.boolean(),
  what: z.string(),
  file: z.exactOptional(z.string()),
  code: z.exactOptional(z.string()),
});
/** The module has written it itself, and an alert is only told as over. */
const alert = z.object({
  rule: z.string(),
  toldAt: z.number(),
  incident: z.looseObject({ key: z.string(), title: z.string(), severity: z.enum(['critical', 'warning', 'info']) }),
});
const memory = z.object({
  fired: z.record(z.string(), z.object({ count: z.number(), last: z.number() })),
  windows: z.record(z.string(), times),
  host: times,
  evidence: z.array(evidence),
  alerts: z.record(z.string(), alert),
});

/** An alert that was told and is not over. */
export interface KeptAlert {
  rule: string;
  /** By Date.now(). */
  toldAt: number;
  incident: Incident;
}

export interface Memory {
  /** By the name of a rule. */
  fired: Map<string, { count: number; last: number }>;
  /** When evidence was taken, by rule and app (`windowOf`). */
  windows: Record<string, number[]>;
  /** The same for all rules together. */
  host: number[];
  /** Oldest first. */
  evidence: Evidence[];
  /** By the key of its incident. */
  alerts: Map<string, KeptAlert>;
}

/** @returns nothing remembered where there is no such file, or it cannot be read */
export function recall(folder: string): Memory {
  try {
    const text = readFileSync(join(folder, FILE), 'utf8');
    if (text.length > LARGEST_BYTES) return nothing();
    const { fired, alerts, ...rest } = memory.parse(JSON.parse(text));
    return {
      ...(rest as Omit<Memory, 'fired' | 'alerts'>),
      fired: new Map(Object.entries(fired)),
      alerts: new Map(Object.entries(alerts as unknown as Record<string, KeptAlert>)),
    };
  } catch {
    return nothing();
  }
}

/** Writes it whole, or leaves the file as it was. @throws when the disk refuses */
export function remember(folder: string, what: Memory): void {
  const file = join(folder, FILE);
  const fresh = `${file}.${process.pid}`;
  writeFileSync(
    fresh,
    JSON.stringify({ ...what, fired: Object.fromEntries(what.fired), alerts: Object.fromEntries(what.alerts) }),
    { mode: 0o600 },
  );
  renameSync(fresh, file);
}

/** The key of a rule's window for an app. */
export function windowOf(rule: string, app: string): string {
  return JSON.stringify([rule, app]);
}

function nothing(): Memory {
  return { fired: new Map(), windows: {}, host: [], evidence: [], alerts: new Map() };
}
