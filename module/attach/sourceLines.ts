// Maps samples of compiled code to the lines that a person has written, if the app has a source map.

import type { StackFrame } from '../../contract/stackView.ts';
import { readStatus } from '../../shared/linux/proc.ts';
import { originalsOf } from '../../shared/sourceMaps.ts';
import { withTimeout } from '../../shared/time.ts';
import type { Sampling } from './sampling.ts';

/** A person in an incident does not wait longer for a source map. */
const MAPPED_WITHIN_MS = 1_000;

/**
 * Replaces the places in the samples by those in the source. The app decides which files this reads, so it does so only if the
 * app and the module run as the same user, where neither can read more than the other.
 * @returns the samples as they were if the users differ, or if no source map was read in time; never rejects
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
