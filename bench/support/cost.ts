// What a process costs while it runs, read from outside so that reading costs it nothing.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from './stats.ts';

/** Linux counts CPU time in ticks of 10 ms. */
const TICK_MS = 10;

export interface Cost {
  /** Resident memory over the time, in MB (2 ** 20 bytes, as PM2 counts): garbage collection moves it. */
  rssMb: number;
  rssMaxMb: number;
  /** Of one core, in percent over the whole time. */
  cpuPercent: number;
}

/** Resident memory in MB. */
export function rssMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

/** CPU time of a process so far, all its threads. */
export function cpuMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // After the name, which may hold spaces: state is field 3, utime and stime are 14 and 15.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Watches several processes over the same time. */
export async function costs<Name extends string>(
  pids: Record<Name, number[]>,
  seconds: number,
): Promise<Record<Name, Cost[]>> {
  const entries = Object.entries(pids) as [Name, number[]][];
  const all = entries.flatMap(([, of]) => of);
  const cpuBefore = new Map(all.map((pid) => [pid, cpuMs(pid)]));
  const memory = new Map(all.map((pid) => [pid, [rssMb(pid)]]));
  const began = performance.now();
  while (performance.now() - began < seconds * 1000) {
    await sleep(1000);
    for (const [pid, samples] of memory) samples.push(rssMb(pid));
  }
  const elapsedMs = performance.now() - began;
  const costOf = (pid: number): Cost => ({
    rssMb: median(memory.get(pid)!),
    rssMaxMb: Math.max(...memory.get(pid)!),
    cpuPercent: ((cpuMs(pid) - cpuBefore.get(pid)!) / elapsedMs) * 100,
  });
  return Object.fromEntries(entries.map(([name, of]) => [name, of.map(costOf)])) as Record<Name, Cost[]>;
}
