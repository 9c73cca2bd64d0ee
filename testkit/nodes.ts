// The Node versions to test on: the one that runs the tests, and newer ones from the test workspace.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { WORKSPACE } from './folders.ts';

export interface NodeBinary {
  path: string;
  /** Major version. */
  major: number;
  /** `v24.9.0` */
  version: string;
}

/** The majors that every test run covers beside the running one: the oldest and a newer one are enough by default. */
const USUAL = [24];

/**
 * The versions to test on, oldest first: the running one and the usual newer one, or those of PM2_OPS_NODES (majors or
 * paths, separated by commas): `PM2_OPS_NODES=20,24,26 npm test`.
 */
export function nodes(): NodeBinary[] {
  const wanted = process.env.PM2_OPS_NODES?.split(',').filter(Boolean);
  const paths = wanted?.filter((entry) => entry.includes('/')) ?? [];
  const majors = wanted?.filter((entry) => !entry.includes('/')).map(Number) ?? USUAL;
  const candidates = [process.execPath, ...[22, 24, 26].map(workspaceNode)];
  const found = [...candidates, ...paths]
    .filter((path) => existsSync(path))
    .map(describe)
    .filter(
      ({ path, major }) => (!wanted && path === process.execPath) || paths.includes(path) || majors.includes(major),
    );
  const byMajor = new Map<number, NodeBinary>();
  for (const node of found) if (!byMajor.has(node.major)) byMajor.set(node.major, node);
  if (byMajor.size === 0) throw new Error(`no Node found for PM2_OPS_NODES=${process.env.PM2_OPS_NODES}`);
  return [...byMajor.values()].sort((a, b) => a.major - b.major);
}

/** The newest of a major version, or any from `atLeast` on; undefined if there is none here (skip the test then). */
export function nodeOf({ major, atLeast }: { major?: number; atLeast?: number }): NodeBinary | undefined {
  return [process.execPath, ...[22, 24, 26].map(workspaceNode)]
    .filter((path) => existsSync(path))
    .map(describe)
    .find((node) => (major !== undefined ? node.major === major : node.major >= (atLeast ?? 0)));
}

function workspaceNode(major: number): string {
  return join(WORKSPACE, 'node_modules', `node-${major}`, 'bin', 'node');
}

const known = new Map<string, NodeBinary>();
function describe(path: string): NodeBinary {
  const cached = known.get(path);
  if (cached) return cached;
  const version =
    path === process.execPath ? process.version : execFileSync(path, ['--version'], { encoding: 'utf8' }).trim();
  const node = { path, version, major: Number(version.slice(1).split('.')[0]) };
  known.set(path, node);
  return node;
}
