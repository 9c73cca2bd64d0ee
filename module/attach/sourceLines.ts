// Samples of compiled code by the lines that a person wrote, where the app has a source map.

import type { StackFrame } from '../../contract/stackView.ts';
import { readStatus } from '../../shared/linux/proc.ts';
import { originalsOf } from '../../shared/sourceMaps.ts';
import { withTimeout } from '../../shared/time.ts';
import type { Sampling } from './sampling.ts';

/** An incident does not wait for a map that takes longer. */
const MAPPED_WITHIN_MS = 1_000;

/**
 * The same samples with the places that were written. Which files are read is the app's word: so only where the app may read
 * no more than we may and we no more than it, that is, where both run as the same user.
 * @returns what it was given where that is not so, or no map says more in time; never rejects
 */
export async function asWritten(sampling: Sampling, pid: number): Promise<Sampling> {
  if (readStatus(pid)?.uid !== process.getuid?.()) return sampling;
  const mapped = map(sampling).catch(() => sampling);
  return withTimeout(mapped, MAPPED_WITHIN_MS, () => sampling, { ref: false });
}

async function map(sampling: Sampling): Promise<Sampling> {
  const all = sampling.samples.flatMap(({ frames }) => frames);
  const written = new Map<StackFrame, StackFrame>();
  for (const file of new Set(all.map((frame) => frame.file))) {
    const frames = all.filter((frame) => frame.file === file);
    const originals = await originalsOf(
      file,
      frames.map(({ line, column }) => ({ line: line - 1, column: column - 1 })),
    );
    for (const [at, frame] of frames.entries())
      if (originals[at]) written.set(frame, { ...frame, ...originals[at], column: 0 });
  }
  const samples = sampling.samples.map(({ frames, turn }) => ({
    turn,
    frames: frames.map((frame) => written.get(frame) ?? frame),
  }));
  return { ...sampling, samples };
}
