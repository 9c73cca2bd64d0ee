// What a figure was measured on: without it no figure means anything.

import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../testkit/folders.ts';
import { manifest } from '../../testkit/package.ts';

export interface Machine {
  date: string;
  node: string;
  pm2: string;
  pm2Ops: string;
  cores: number;
  cpu: string;
  memoryGb: number;
  kernel: string;
  /** Processes that ran or wanted to run over the last minute: above 0.5 or so, other programs are at work here. */
  loadBefore: number;
}

/** The machine as it is now; call it before anything is started. */
export function machine(): Machine {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'node_modules', 'pm2', 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
    date: new Date().toISOString().slice(0, 16),
    node: process.version,
    pm2: version,
    pm2Ops: manifest.version,
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    loadBefore: Math.round(loadavg()[0]! * 100) / 100,
  };
}

export function machineLine(facts: Machine): string {
  return (
    `Node ${facts.node}, PM2 ${facts.pm2}, pm2-ops ${facts.pm2Ops}, ${facts.cores} × ${facts.cpu}, ` +
    `${facts.memoryGb} GB, Linux ${facts.kernel}, load before ${facts.loadBefore}`
  );
}
