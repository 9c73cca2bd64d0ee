// Frames of compiled code by the lines that a person wrote, where the app has a source map.
import { setTimeout as sleep } from 'node:timers/promises';
import { originalsOf } from '../sourceMaps.ts';
import { readStatus } from './proc.ts';
import type { Frame, Sampling } from './stack.ts';

/** An incident does not wait for a map that takes longer, in milliseconds; one of 13 MB takes a fifth of that. */
const MAPPED_WITHIN_MS = 1_000;

/**
 * The same samples with the places that were written. Which files are read is the app's word: so only where the app may read
 * no more than we may and we no more than it, that is, where both run as the same user.
 * @returns what it was given where that is not so, or no map says more in time; never rejects
 */
export async function asWritten(sampling: Sampling, pid: number): Promise<Sampling> {
  if (readStatus(pid)?.uid !== process.getuid?.()) return sampling;
  const late = sleep(MAPPED_WITHIN_MS, sampling, { ref: false });
  return Promise.race([map(sampling).catch(() => sampling), late]);
}

async function map(sampling: Sampling): Promise<Sampling> {
  const files = new Map<string, Map<string, Frame>>();
  for (const frame of sampling.samples.flatMap(({ frames }) => frames)) {
    const places = files.get(frame.file) ?? new Map<string, Frame>();
    files.set(frame.file, places.set(keyOf(frame), frame));
  }
  const written = new Map<string, { file: string; line: number }>();
  for (const [file, places] of files) {
    const positions = [...places.values()].map(({ line, column }) => ({ line: line - 1, column: column - 1 }));
    const originals = await originalsOf(file, positions);
    for (const [at, key] of [...places.keys()].entries()) {
      const original = originals[at];
      if (original) written.set(`${file}:${key}`, original);
    }
  }
  return {
    ...sampling,
    samples: sampling.samples.map((sample) => ({
      ...sample,
      frames: sample.frames.map((frame) => {
        const place = written.get(`${frame.file}:${keyOf(frame)}`);
        return place ? { ...frame, ...place, column: 0 } : frame;
      }),
    })),
  };
}

function keyOf({ line, column }: Frame): string {
  return `${line}:${column}`;
}
