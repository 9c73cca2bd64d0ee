// The docs of this project: what a person reads in a checkout.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../testkit/folders.ts';

/** Absolute paths of README, ARCHITECTURE and their like, and of everything in docs/. */
export function markdownFiles(): string[] {
  const inDocs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((file) =>
    join('docs', file),
  );
  const atTop = readdirSync(ROOT);
  return [...atTop, ...inDocs, join('bench', 'README.md')]
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(ROOT, file));
}
