// Reads the ring file of a process. The process wrote it, so nothing in it is taken for granted.
import { closeSync, constants, readSync } from 'node:fs';
import {
  FIGURES,
  FIGURES_BYTES,
  FIGURES_MAGIC,
  FIGURES_VERSION,
  type FigureSample,
  HEAD_BYTES,
  HEAD_FIELDS,
  RING_SLOTS,
  SAMPLE_BYTES,
  SLOT_BYTES,
} from '../../contract/figures.ts';
import { openRegularSync } from '../../shared/files/regularFile.ts';

/** More than any figure is: bytes, milliseconds since 1970, totals. */
const MOST = Number.MAX_SAFE_INTEGER;

const bytes = Buffer.alloc(FIGURES_BYTES);

/**
 * The samples that are newer than `afterAt`, oldest first; empty when there is no such file, or it is no ring of this version.
 * Takes tens of microseconds. Samples with a figure that cannot be are left out.
 * @param afterAt milliseconds of Date.now()
 */
export function readRing(file: string, afterAt = 0): FigureSample[] {
  if (!readInto(file) || !isRing()) return [];
  const samples: FigureSample[] = [];
  for (let slot = 0; slot < RING_SLOTS; slot++) {
    const start = HEAD_BYTES + slot * SLOT_BYTES;
    const at = bytes.readDoubleLE(start);
    // While the process writes a slot, its two times differ.
    if (!(at > afterAt) || bytes.readDoubleLE(start + SAMPLE_BYTES) !== at) continue;
    const sample = sampleAt(start);
    if (sample !== undefined) samples.push(sample);
  }
  return samples.sort((a, b) => a.at - b.at);
}

function readInto(file: string): boolean {
  try {
    const fd = openRegularSync(file, constants.O_RDONLY);
    try {
      return readSync(fd, bytes, 0, FIGURES_BYTES, 0) === FIGURES_BYTES;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

function isRing(): boolean {
  const head = Object.fromEntries(HEAD_FIELDS.map((name, index) => [name, bytes.readDoubleLE(index * 8)]));
  return (
    head.magic === FIGURES_MAGIC &&
    head.version === FIGURES_VERSION &&
    head.slots === RING_SLOTS &&
    head.fields === FIGURES.length
  );
}

function sampleAt(start: number): FigureSample | undefined {
  const sample = {} as FigureSample;
  for (const [index, name] of FIGURES.entries()) {
    const value = bytes.readDoubleLE(start + index * 8);
    if (!(value >= 0 && value <= (name === 'utilization' ? 1 : MOST))) return undefined;
    sample[name] = value;
  }
  return sample;
}
