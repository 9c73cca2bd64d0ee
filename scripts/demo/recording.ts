// Records the demo for the README: runs `npm run demo`, notes when each line is printed, and draws docs/pictures/demo.svg.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../../testkit/folders.ts';
import { type TimedLine, terminalPicture } from './terminalPicture.ts';

const PICTURE = join(ROOT, 'docs', 'pictures', 'demo.svg');
const TITLE = 'npm run demo: pm2 install, a heap dump, a drain and a reload under load; no request fails';

async function main(): Promise<void> {
  const demo = spawn('npm', ['run', '--silent', 'demo'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(demo, 'close');
  const lines: TimedLine[] = [{ text: '$ npm run demo', atMs: performance.now() }];
  for await (const text of createInterface({ input: demo.stdout })) {
    console.log(text);
    lines.push({ text, atMs: performance.now() });
  }
  const [code] = (await closed) as [number | null];
  if (code !== 0) throw new Error(`the demo failed (exit code ${code}): the picture stays as it was`);
  writeFileSync(PICTURE, terminalPicture(upToTheResult(lines), TITLE));
  console.log(`${PICTURE} written.`);
}

/** What follows the result is about a file on this machine. */
function upToTheResult(lines: readonly TimedLine[]): TimedLine[] {
  const result = lines.findIndex(({ text }) => text.startsWith('None of '));
  if (result < 0) throw new Error('the demo did not say what its clients saw');
  return lines.slice(0, result + 1);
}

main().catch((error: unknown) => {
  console.error(`Not recorded: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
