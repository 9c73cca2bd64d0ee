// Prints the import graph of a git revision: rooms, arrows between them, floors, circles, and the longest files.
//   npm run graph [-- REVISION …]   (HEAD unless told)

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from './test/root.ts';

/** Folders that are no part of the product. */
const ASIDE = /^(test|testkit|bench|scripts|app-template|dist|node_modules)\//;
const LONGEST = 10;

interface Cruised {
  modules: { source: string; dependencies: { resolved: string; dependencyTypes: string[] }[] }[];
}

for (const revision of process.argv.length > 2 ? process.argv.slice(2) : ['HEAD']) print(revision);

function print(revision: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'pm2-ops-graph-'));
  try {
    const archive = execFileSync('git', ['archive', revision], { cwd: ROOT, maxBuffer: 2 ** 30 });
    execFileSync('tar', ['x', '-C', folder], { input: archive });
    const files = importsIn(folder);
    const lines = linesIn(folder);
    const rooms = graphOf(files, dirname);
    const arrows = [...rooms.values()].reduce((sum, to) => sum + to.size, 0);
    const circles = circlesOf(rooms);
    console.log(
      `\n${revision} (${execFileSync('git', ['rev-parse', '--short', revision], { cwd: ROOT, encoding: 'utf8' }).trim()})`,
    );
    console.log(`${files.size} files, ${rooms.size} rooms, ${arrows} arrows, ${floorsOf(rooms, circles)} floors`);
    console.log(`circles of files: ${told(circlesOf(files))}`);
    console.log(`circles of rooms: ${told(circles)}`);
    console.log(`circles of top-level folders: ${told(circlesOf(graphOf(files, (file) => file.split('/')[0] ?? '')))}`);
    console.log('longest files:');
    for (const [file, count] of lines.slice(0, LONGEST)) console.log(`${String(count).padStart(6)} ${file}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every source file of the product, and the files that it imports. */
function importsIn(folder: string): Map<string, Set<string>> {
  const config = join(folder, 'graph.json');
  const options = { parser: 'swc', tsPreCompilationDeps: true, exclude: { path: `node_modules|${ASIDE.source}` } };
  writeFileSync(config, JSON.stringify({ options }));
  const tool = join(ROOT, 'node_modules', '.bin', 'depcruise');
  const args = ['--config', config, '--output-type', 'json', '.'];
  const { modules } = JSON.parse(
    execFileSync(tool, args, { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 30 }),
  ) as Cruised;
  const own = modules.filter(({ source }) => source.includes('/') && source.endsWith('.ts'));
  const sources = new Set(own.map(({ source }) => source));
  return new Map(
    own.map(({ source, dependencies }) => [
      source,
      new Set(dependencies.map(({ resolved }) => resolved).filter((to) => sources.has(to) && to !== source)),
    ]),
  );
}

/** The same graph with each file replaced by its group. A folder and one inside it are no two rooms that could be apart. */
function graphOf(files: Map<string, Set<string>>, groupOf: (file: string) => string): Map<string, Set<string>> {
  const groups = new Map<string, Set<string>>();
  for (const [file, imports] of files) {
    const from = groupOf(file);
    const to = groups.get(from) ?? new Set();
    groups.set(from, to);
    for (const each of imports) if (!isWithin(groupOf(each), from)) to.add(groupOf(each));
  }
  return groups;
}

function isWithin(one: string, other: string): boolean {
  return `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`);
}

/** The groups of nodes that reach each other. */
function circlesOf(graph: Map<string, Set<string>>): string[][] {
  const reached = new Map([...graph.keys()].map((node) => [node, reachedFrom(node, graph)]));
  const seen = new Set<string>();
  const circles: string[][] = [];
  for (const [node, others] of reached) {
    if (seen.has(node) || !others.has(node)) continue;
    const circle = [...others].filter((other) => reached.get(other)?.has(node)).sort();
    for (const each of circle) seen.add(each);
    circles.push(circle);
  }
  return circles;
}

function reachedFrom(start: string, graph: Map<string, Set<string>>): Set<string> {
  const reached = new Set<string>();
  const waiting = [...(graph.get(start) ?? [])];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (reached.has(node)) continue;
    reached.add(node);
    waiting.push(...(graph.get(node) ?? []));
  }
  return reached;
}

/** The longest way down, where a circle counts as one room. */
function floorsOf(rooms: Map<string, Set<string>>, circles: string[][]): number {
  const circleOf = (room: string) => circles.find((circle) => circle.includes(room))?.join() ?? room;
  const graph = graphOf(rooms, circleOf);
  const heights = new Map<string, number>();
  const height = (room: string): number => {
    const known = heights.get(room);
    if (known !== undefined) return known;
    const own = 1 + Math.max(0, ...[...(graph.get(room) ?? [])].map(height));
    heights.set(room, own);
    return own;
  };
  return Math.max(0, ...[...graph.keys()].map(height));
}

/** All files of TypeScript or JavaScript, tests too, the longest first. */
function linesIn(folder: string): [string, number][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.([cm]?js|ts)$/.test(file) && !file.includes('node_modules'))
    .map((file): [string, number] => [file, readFileSync(join(folder, file), 'utf8').split('\n').length - 1])
    .sort(([, a], [, b]) => b - a);
}

function told(circles: string[][]): string {
  return circles.length === 0 ? 'none' : circles.map((circle) => circle.join(' ↔ ')).join('; ');
}
